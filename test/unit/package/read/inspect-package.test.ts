import { createHash } from "node:crypto";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { ZipFile } from "yazl";
import type { PackageCode } from "../../../../runtime/core/errors.ts";
import { inspectPackage } from "../../../../runtime/package/read/inspect-package.ts";
import { HOSTILE_PACKAGES, SMALL_LIMITS } from "../../../support/packages/hostile-packages.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { testPackage } from "../../../support/packages/test-package.ts";
import { unpackPackage } from "../../../../runtime/worker/package-cache/unpack.ts";
import { elfFor } from "../../../support/packages/elf.ts";
import { buildZip, type ZipEntry } from "../../../support/packages/zip-builder.ts";

const module = (file: string) => ({ kind: "module", file, export: "Echo" });
const command = (name: string) => ({ kind: "command", command: name });

const manifestOf = (entry: object): string =>
  JSON.stringify({ manifestVersion: 1, name: "p", platform: "any", jobs: [{ jobType: "Echo", entry }] });

/** A package with one job type that starts at the given file. */
const startingAt = (entry: object, files: readonly ZipEntry[] = []): Buffer =>
  buildZip([{ name: "job.json", content: manifestOf(entry) }, ...files]);

type Case = [string, Buffer, PackageCode, string];

const programs = (...cases: readonly [what: string, content: string, message: string, mode?: number][]): Case[] =>
  cases.map(([what, content, message, mode = 0o100755]) => [
    `a program ${what}`,
    startingAt(command("./run"), [{ name: "run", mode, content }]),
    "EntryPointInvalid",
    message,
  ]);

describe("inspectPackage", () => {
  it("inspectPackage returns the manifest and the hash of a valid package", async () => {
    const zip = testPackage({ jobs: { Echo: "", Other: "" } });
    const { manifest, sha256 } = await inspectPackage(zip);
    expect(manifest.jobs.map(({ jobType }) => jobType)).toEqual(["Echo", "Other"]);
    expect(sha256).toBe(createHash("sha256").update(zip).digest("hex"));
  });

  it("inspectPackage accepts an archive with ZIP64 records, unless its two end records differ", async () => {
    const writer = new ZipFile();
    writer.addBuffer(Buffer.from(manifestOf(command("python3"))), "job.json", { forceZip64Format: true });
    writer.end({ forceZip64Format: true, comment: "" });
    const zip = await buffer(writer.outputStream);
    expect((await inspectPackage(zip)).manifest.jobs).toHaveLength(1);
    zip.writeUInt32LE(0, zip.length - 6);
    await expect(inspectPackage(zip)).rejects.toMatchObject({ code: "PackageCorrupt" });
  });

  it("inspectPackage reads a package from the middle of a larger buffer", async () => {
    const zip = testPackage({ jobs: { Echo: "" } });
    const around = Buffer.concat([Buffer.from("before"), zip, Buffer.from("after")]);
    const view = new Uint8Array(around.buffer, around.byteOffset + 6, zip.length);
    expect((await inspectPackage(view)).sha256).toBe((await inspectPackage(zip)).sha256);
  });

  it.each(HOSTILE_PACKAGES)(
    "inspectPackage refuses %s as a worker does",
    { tags: "attack/archives" },
    async (_, bytes, code, message) => {
      await expect(inspectPackage(bytes, SMALL_LIMITS)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as string,
      });
    },
  );

  it.each<Case>([
    ["a package without a manifest", buildZip([{ name: "main.mjs" }]), "ManifestMissing", "no job.json at its root"],
    [
      "a ZIP of the folder itself",
      buildZip([{ name: "p/" }, { name: "p/job.json", content: "{}" }, { name: "__MACOSX/p/._job.json" }]),
      "ManifestMissing",
      'no job.json at its root. It has "p/job.json": zip the content of that folder, not the folder.',
    ],
    [
      "a ZIP of a folder in a folder, below ./",
      buildZip([{ name: "./" }, { name: "./a/p/job.json", content: "{}" }]),
      "ManifestMissing",
      'It has "a/p/job.json": zip the content of that folder',
    ],
    ["a manifest in capitals", buildZip([{ name: "Job.JSON" }]), "ManifestMissing", "write the name in lower case"],
    [
      "a manifest in UTF-16",
      buildZip([{ name: "job.json", content: Buffer.from("\ufeff{}", "utf16le") }]),
      "ManifestInvalid",
      "job.json is UTF-16; save it as UTF-8.",
    ],
    [
      "a manifest in Latin-1",
      buildZip([{ name: "job.json", content: Buffer.from('{"name":"ü"}', "latin1") }]),
      "ManifestInvalid",
      "job.json is not UTF-8; save it as UTF-8.",
    ],
    [
      "a manifest with a number that would change",
      buildZip([{ name: "job.json", content: '{"jobs":[{"timeoutMs":1e400}]}' }]),
      "ManifestInvalid",
      "job.json holds jobs[0].timeoutMs: 1e400 would arrive as null; send it as text.",
    ],
    [
      "the same name with and without ./",
      buildZip([{ name: "a" }, { name: "./a" }]),
      "PackageUnsafe",
      'entries "a" and "a" are the same file',
    ],
    ["a path upwards after ./", buildZip([{ name: "./../a" }]), "PackageUnsafe", 'contains ".."'],
    ["an absolute path after ./", buildZip([{ name: ".//a" }]), "PackageUnsafe", "is absolute"],
    ["content of the folder itself", buildZip([{ name: "./", content: "x" }]), "PackageUnsafe", "is empty"],
    ["a manifest that is not JSON", buildZip([{ name: "job.json", content: "{" }]), "ManifestInvalid", "is not JSON"],
    [
      "a manifest without fields",
      buildZip([{ name: "job.json", content: "{}" }]),
      "ManifestInvalid",
      "manifestVersion",
    ],
    ["a missing module", startingAt(module("main.mjs")), "EntryPointInvalid", "Echo starts at main.mjs"],
    ["a missing program", startingAt(command("./bin/run")), "EntryPointInvalid", "starts at bin/run"],
    [
      "a directory instead of a program",
      startingAt(command("./bin"), [{ name: "bin/run" }]),
      "EntryPointInvalid",
      "starts at bin, which is a directory",
    ],
    ...programs(
      ["without its executable bit", "#!/bin/sh\n", "is not executable. Make the package with jobyard pack", 0o100644],
      ["from a system without such bits", "#!/bin/sh\n", "is not executable", 0],
      ["with Windows line ends", "#!/bin/sh\r\necho\r\n", "starts at run, which has Windows line ends (CRLF)"],
      ["that is empty", "", "which is empty"],
      ["behind a byte order mark", "\ufeff#!/bin/sh\n", "which begins with a byte order mark"],
      ["that names no interpreter", "#!\n", "which names no interpreter"],
    ),
    [
      "a file of the package with the name of an installed program",
      startingAt(command("python3"), [{ name: "python3", mode: 0o100644 }]),
      "EntryPointInvalid",
      "starts at python3, which is not executable",
    ],
    [
      "a program of another platform than the package's",
      buildZip([
        {
          name: "job.json",
          content: JSON.stringify({
            ...{ manifestVersion: 1, name: "p", platform: { os: "linux", arch: "x64" } },
            jobs: [{ jobType: "Echo", entry: command("./run") }],
          }),
        },
        { name: "run", mode: 0o100755, content: elfFor(0xb7) },
      ]),
      "EntryPointInvalid",
      "which was built for linux-arm64 and cannot run on linux-x64",
    ],
    [
      "damage in a file that no manifest names",
      startingAt(module("main.mjs"), [{ name: "main.mjs" }, { name: "data.bin", content: "abc", crc32: 1 }]),
      "PackageCorrupt",
      '"data.bin" does not match its checksum',
    ],
  ])("inspectPackage refuses %s", async (_, bytes, code, message) => {
    await expect(inspectPackage(bytes)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it("inspectPackage accepts programs of the package and of the machine", async () => {
    const run = { name: "bin/run", mode: 0o100755, content: "#!/bin/sh\n" };
    for (const zip of [startingAt(command("./bin/run"), [run]), startingAt(command("python3"))]) {
      expect((await inspectPackage(zip)).manifest.jobs).toHaveLength(1);
    }
  });

  it("inspectPackage accepts names below ./ and a manifest with a byte order mark", async () => {
    const manifest = {
      ...{ manifestVersion: 1, name: "p", platform: "any" },
      jobs: [{ jobType: "Größe", entry: command("./bin/run") }],
    };
    const zip = buildZip([
      { name: "./" },
      { name: "./bin/" },
      { name: "././bin/run", mode: 0o100755, content: "#!/bin/sh\n" },
      { name: "./job.json", content: `\ufeff${JSON.stringify(manifest)}` },
    ]);
    expect((await inspectPackage(zip)).manifest.jobs).toMatchObject([{ jobType: "Größe" }]);
    await using root = await temporaryDirectory();
    const { files, directories } = await unpackPackage({ bytes: zip, directory: join(root.path, "p") });
    expect([directories, files]).toEqual([["bin"], ["bin/run", "job.json"]]);
  });

  it("inspectPackage refuses every truncation of a valid package", { tags: "attack/archives" }, async () => {
    const zip = testPackage({ jobs: { Echo: "return { output: 1 };" } });
    for (let length = 0; length < zip.length; length += 7) {
      await expect(inspectPackage(zip.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        code: "PackageCorrupt",
      });
    }
  });
});
