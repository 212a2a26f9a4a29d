import { describe, expect, it } from "vitest";
import type { PackagePlatform } from "../../../../runtime/core/package/manifest.ts";
import { packagedProgram, programProblem, readInterpreter } from "../../../../runtime/core/package/program-file.ts";
import { elfFor } from "../../../support/packages/elf.ts";

const LINUX: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };
const ARM64 = elfFor(0xb7);
const IA32 = elfFor(0x03);

describe("programProblem", () => {
  it.each<[string, string | Uint8Array, string]>([
    ["no content", "", "is empty"],
    ["Windows line ends", "#!/bin/sh\r\n", "CRLF"],
    ["Windows line ends in a file of one line", "#!/bin/sh\r", "CRLF"],
    ["a byte order mark", "\ufeff#!/bin/sh\n", "begins with a byte order mark"],
    ["text in UTF-16", Buffer.from("\ufeff#!/bin/sh\n", "utf16le"), "is UTF-16"],
    ["no interpreter", "#!  \n", "names no interpreter"],
    ["a relative interpreter", "#!python3\n", "names its interpreter python3 by a relative path"],
    ["another processor", ARM64, "was built for linux-arm64 and cannot run on linux-x64"],
  ])("programProblem refuses a program with %s", (_, content, problem) => {
    expect(programProblem(Buffer.from(content as string), LINUX)).toContain(problem);
  });

  it.each<[string, string | Uint8Array]>([
    ["a script", "#!/bin/sh\necho\r\n"],
    ["a script with a space", "#! /bin/sh -e\n"],
    ["a script without a line break", "#!/bin/sh"],
    ["text that a shell may run", "echo hello\n"],
    ["another binary", Uint8Array.of(0, 1, 2, 3)],
    ["a program of 32 bits", IA32],
    ["a program for this processor", elfFor(0x3e)],
  ])("programProblem accepts %s", (_, content) => {
    expect(programProblem(Buffer.from(content as string), LINUX)).toBeUndefined();
  });

  it("programProblem accepts every processor when the package runs anywhere", () => {
    expect(programProblem(ARM64, "any")).toBeUndefined();
    expect(programProblem(IA32, { os: "linux", arch: "arm64" })).toContain("linux-ia32");
    expect(programProblem(elfFor(0x3e), { os: "darwin", arch: "x64" })).toContain("cannot run on darwin-x64");
  });
});

describe("readInterpreter", () => {
  it.each<[string, string, string | undefined]>([
    ["#!/bin/sh -e\nexit", "/bin/sh", undefined],
    ["#! \t/bin/sh", "/bin/sh", undefined],
    ["#!/usr/bin/env python3\n", "/usr/bin/env", "python3"],
    ["#!/usr/bin/env -S node --test\n", "/usr/bin/env", "node"],
    ["#!/usr/bin/env -Snode\n", "/usr/bin/env", "node"],
    ["#!/usr/bin/env -S A=1 B=2 ruby\n", "/usr/bin/env", "ruby"],
    ["#!/usr/bin/env -S -i ruby\n", "/usr/bin/env", undefined],
    ["#!/usr/bin/env -i\n", "/usr/bin/env", undefined],
    ["#!/usr/bin/env\n", "/usr/bin/env", undefined],
    ["#!/opt/fakeenv python3\n", "/opt/fakeenv", undefined],
  ])("the interpreter of %j is %s with %s", (text, path, byName) => {
    expect(readInterpreter(Buffer.from(text))).toEqual({ path, byName });
  });

  it("a file that is not a script has no interpreter", () => {
    for (const text of ["", "echo", "#!", "#\n!/bin/sh"]) expect(readInterpreter(Buffer.from(text))).toBeUndefined();
  });
});

it("a command is a file of the package when it has a slash or when the package has a file of that name", () => {
  const has = (path: string): boolean => path === "tool";
  const fileOf = (command: string) => packagedProgram({ kind: "command", command }, has);
  expect([fileOf("./bin/x"), fileOf("bin/x"), fileOf("tool"), fileOf("python3")]).toEqual([
    "bin/x",
    "bin/x",
    "tool",
    undefined,
  ]);
});
