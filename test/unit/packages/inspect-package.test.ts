import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { ZipFile } from "yazl";
import type { PackageCode } from "../../../runtime/core/errors.ts";
import { inspectPackage } from "../../../runtime/packages/inspect-package.ts";
import { HOSTILE_PACKAGES, SMALL_LIMITS } from "../../support/hostile-packages.ts";
import { testPackage } from "../../support/test-package.ts";
import { buildZip, type ZipEntry } from "../../support/zip-builder.ts";

const module = (file: string) => ({ kind: "module", file, export: "Echo" });
const command = (name: string) => ({ kind: "command", command: name });

const manifestOf = (entry: object): string =>
  JSON.stringify({ manifestVersion: 1, name: "p", platform: "any", jobs: [{ jobType: "Echo", entry }] });

/** A package of one job type that starts there. */
const startingAt = (entry: object, files: readonly ZipEntry[] = []): Buffer =>
  buildZip([{ name: "job.json", content: manifestOf(entry) }, ...files]);

describe("inspectPackage", () => {
  it("tells what a sound package can run, and the hash of its bytes", async () => {
    const zip = testPackage({ jobs: { Echo: "", Other: "" } });
    const { manifest, sha256 } = await inspectPackage(zip);
    expect(manifest.jobs.map(({ jobType }) => jobType)).toEqual(["Echo", "Other"]);
    expect(sha256).toBe(createHash("sha256").update(zip).digest("hex"));
  });

  it("takes an archive with ZIP64's records, unless the two ends name different directories", async () => {
    const writer = new ZipFile();
    writer.addBuffer(Buffer.from(manifestOf(command("python3"))), "job.json", { forceZip64Format: true });
    writer.end({ forceZip64Format: true, comment: "" });
    const zip = await buffer(writer.outputStream);
    expect((await inspectPackage(zip)).manifest.jobs).toHaveLength(1);
    zip.writeUInt32LE(0, zip.length - 6);
    await expect(inspectPackage(zip)).rejects.toMatchObject({ code: "PackageCorrupt" });
  });

  it("finds the package in the middle of a larger buffer", async () => {
    const zip = testPackage({ jobs: { Echo: "" } });
    const around = Buffer.concat([Buffer.from("before"), zip, Buffer.from("after")]);
    const view = new Uint8Array(around.buffer, around.byteOffset + 6, zip.length);
    expect((await inspectPackage(view)).sha256).toBe((await inspectPackage(zip)).sha256);
  });

  it.each(HOSTILE_PACKAGES)(
    "refuses %s as a worker does",
    { tags: "attack/archives" },
    async (_, bytes, code, message) => {
      await expect(inspectPackage(bytes, SMALL_LIMITS)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as string,
      });
    },
  );

  it.each<[string, Buffer, PackageCode, string]>([
    ["a package without a manifest", buildZip([{ name: "main.mjs" }]), "ManifestMissing", "no job.json at its root"],
    ["a manifest in a folder", buildZip([{ name: "p/job.json", content: "{}" }]), "ManifestMissing", "at its root"],
    ["a manifest that is no JSON", buildZip([{ name: "job.json", content: "{" }]), "ManifestInvalid", "is not JSON"],
    [
      "a manifest without fields",
      buildZip([{ name: "job.json", content: "{}" }]),
      "ManifestInvalid",
      "manifestVersion",
    ],
    ["a module that is not there", startingAt(module("main.mjs")), "EntryPointInvalid", "Echo starts at main.mjs"],
    ["a program that is not there", startingAt(command("./bin/run")), "EntryPointInvalid", "starts at bin/run"],
    [
      "a directory where a program should be",
      startingAt(command("./bin"), [{ name: "bin/" }]),
      "EntryPointInvalid",
      "starts at bin",
    ],
    [
      "damage in a file that no manifest names",
      startingAt(module("main.mjs"), [{ name: "main.mjs" }, { name: "data.bin", content: "abc", crc32: 1 }]),
      "PackageCorrupt",
      '"data.bin" does not match its checksum',
    ],
  ])("refuses %s", async (_, bytes, code, message) => {
    await expect(inspectPackage(bytes)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it("takes programs of the package and of the machine", async () => {
    for (const zip of [startingAt(command("./bin/run"), [{ name: "bin/run" }]), startingAt(command("python3"))]) {
      expect((await inspectPackage(zip)).manifest.jobs).toHaveLength(1);
    }
  });

  it("refuses every cut of a sound package", { tags: "attack/archives" }, async () => {
    const zip = testPackage({ jobs: { Echo: "return { output: 1 };" } });
    for (let length = 0; length < zip.length; length += 7) {
      await expect(inspectPackage(zip.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        code: "PackageCorrupt",
      });
    }
  });
});
