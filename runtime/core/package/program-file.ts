/**
 * What the first bytes of a program say: its interpreter, and what would keep it from starting. Asked when a package is
 * packed, when it is published and before its program is started, so that all three refuse the same.
 */
import type { CommandEntry, PackagePlatform } from "./manifest.ts";

/** The bytes of a program that are read. Linux reads 256 bytes of a first line. */
export const PROGRAM_HEAD_BYTES = 1024;

/** The file of the package that is started; undefined for a program that the worker's machine offers by name. */
export function packagedProgram({ command }: CommandEntry, isInPackage: (path: string) => boolean): string | undefined {
  const path = command.replace(/^\.\//, "");
  return command.includes("/") || isInPackage(path) ? path : undefined;
}

/** What is wrong with an entry point that is not a file of the package, as the end of a sentence. */
export const missingFile = (path: string, files: Iterable<string>): string =>
  Array.from(files).some((file) => file.startsWith(`${path.replace(/\/$/, "")}/`))
    ? "is a directory"
    : "is not in the package";

/** What keeps a program from being started on a platform, as the end of a sentence; undefined: nothing that shows. */
export function programProblem(head: Uint8Array, platform: PackagePlatform | "any"): string | undefined {
  if (head.length === 0) return "is empty";
  const built = binaryPlatform(head);
  if (built !== undefined) return platformProblem(built, platform);
  const line = firstLine(head);
  if (/^(?:\xff\xfe|\xfe\xff)/.test(line)) return "is UTF-16; save it as UTF-8 without a byte order mark";
  if (line.startsWith("\xef\xbb\xbf#!"))
    return "begins with a byte order mark, which hides its #! line; save it without";
  if (!line.startsWith("#!")) return undefined;
  if (line.endsWith("\r")) return "has Windows line ends (CRLF), so its #! line names no interpreter; save it with LF";
  const interpreter = readInterpreter(head);
  if (interpreter === undefined) return "names no interpreter after #!";
  if (!interpreter.path.startsWith("/")) {
    return `names its interpreter ${interpreter.path} by a relative path; write an absolute one after #!`;
  }
  return undefined;
}

export interface Interpreter {
  readonly path: string;
  /** What `env` looks for on the search path. */
  readonly byName: string | undefined;
}

/** Of a script: what its line `#!/bin/sh -e` or `#!/usr/bin/env -S node --test` names. */
export function readInterpreter(head: Uint8Array): Interpreter | undefined {
  const line = firstLine(head);
  const [path = "", ...words] = line.startsWith("#!") ? line.slice(2).trim().split(/\s+/) : [];
  if (path === "") return undefined;
  if (!/(?:^|\/)env$/.test(path)) return { path, byName: undefined };
  // With -S env splits the rest itself. Its variables come before the program; of other options nothing is known.
  const [first = "", ...rest] = words;
  const named = first.startsWith("-S") ? [first.slice(2), ...rest].filter((word) => word !== "") : [first];
  const byName = named.find((word) => !/^[A-Za-z_][A-Za-z0-9_]*=/.test(word));
  return { path, byName: byName === undefined || byName === "" || byName.startsWith("-") ? undefined : byName };
}

/** Bytes as characters; the line break is left out. */
const firstLine = (head: Uint8Array): string => {
  const end = head.indexOf(10);
  return String.fromCharCode(...head.subarray(0, Math.min(end === -1 ? head.length : end, PROGRAM_HEAD_BYTES)));
};

type Built = Pick<PackagePlatform, "os" | "arch">;

/** Processors of 64 bits run programs of 32 bits. */
const ALSO_RUNS: Readonly<Record<string, string>> = { x64: "ia32", arm64: "arm" };

function platformProblem({ os, arch }: Built, platform: PackagePlatform | "any"): string | undefined {
  if (platform === "any") return undefined;
  if (os === platform.os && (arch === platform.arch || arch === ALSO_RUNS[platform.arch])) return undefined;
  return `was built for ${os}-${arch} and cannot run on ${platform.os}-${platform.arch}`;
}

// --- Platforms of binaries -------------------------------------------------------------------------------------------

/** For which platform a program or library was built. Undefined for anything that is not machine code. */
export function binaryPlatform(content: Uint8Array): Pick<PackagePlatform, "os" | "arch"> | undefined {
  if (content.length < 64) return undefined;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  return elf(view) ?? machO(view) ?? portableExecutable(view);
}

const ELF_MACHINES = new Map([
  [0x03, "ia32"],
  [0x28, "arm"],
  [0x3e, "x64"],
  [0xb7, "arm64"],
]);
const ELF_FREEBSD = 9;

function elf(view: DataView) {
  if (view.getUint32(0) !== 0x7f454c46) return undefined;
  const arch = ELF_MACHINES.get(view.getUint16(18, view.getUint8(5) === 1));
  return arch === undefined ? undefined : { os: view.getUint8(7) === ELF_FREEBSD ? "freebsd" : "linux", arch };
}

const MACH_MACHINES = new Map([
  [0x01000007, "x64"],
  [0x0100000c, "arm64"],
]);

function machO(view: DataView) {
  if (view.getUint32(0, true) !== 0xfeedfacf) return undefined;
  const arch = MACH_MACHINES.get(view.getUint32(4, true));
  return arch === undefined ? undefined : { os: "darwin", arch };
}

const PE_MACHINES = new Map([
  [0x14c, "ia32"],
  [0x8664, "x64"],
  [0xaa64, "arm64"],
]);

function portableExecutable(view: DataView) {
  if (view.getUint16(0) !== 0x4d5a) return undefined;
  const start = view.getUint32(0x3c, true);
  if (start + 6 > view.byteLength || view.getUint32(start) !== 0x50450000) return undefined;
  const arch = PE_MACHINES.get(view.getUint16(start + 4, true));
  return arch === undefined ? undefined : { os: "win32", arch };
}
