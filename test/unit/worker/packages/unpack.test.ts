import { existsSync } from "node:fs";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PackageCode } from "../../../../runtime/core/errors.ts";
import { UNPACK_LIMITS, type UnpackLimits } from "../../../../runtime/packages/judge.ts";
import { unpackPackage } from "../../../../runtime/worker/packages/unpack.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { type ZipEntry, buildZip } from "../../../support/zip-builder.ts";

const limits: UnpackLimits = {
  ...UNPACK_LIMITS,
  packageBytes: 1_000_000,
  entries: 100,
  fileBytes: 200_000,
  unpackedBytes: 300_000,
  ratioThresholdBytes: 50_000,
};

const job: ZipEntry = { name: "job.json", content: "{}" };
const zeros = (bytes: number) => new Uint8Array(bytes);
/** Hardly compressible, the same every time. */
function noise(bytes: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: bytes }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff);
}

const hostile: readonly [name: string, archive: Buffer, code: PackageCode, message: string][] = [
  ["a path above the package", buildZip([job, { name: "../x" }]), "PackageUnsafe", '"../x" contains ".."'],
  ["a path that goes up and down", buildZip([{ name: "a/../../x" }]), "PackageUnsafe", 'contains ".."'],
  ["a directory above the package", buildZip([{ name: "../x/" }]), "PackageUnsafe", 'contains ".."'],
  ["an absolute path", buildZip([{ name: "/etc/cron.d/x" }]), "PackageUnsafe", "is absolute"],
  ["a drive letter", buildZip([{ name: "C:/x" }]), "PackageUnsafe", "is absolute"],
  ["a backslash", buildZip([{ name: "..\\x" }]), "PackageUnsafe", "contains a backslash"],
  ["an empty name", buildZip([{ name: "" }]), "PackageUnsafe", "is empty"],
  ["the root itself", buildZip([{ name: "/" }]), "PackageUnsafe", "is empty"],
  ["a control character", buildZip([{ name: "a\u0000.js" }]), "PackageUnsafe", '"a\\u0000.js" contains control'],
  ["a name that reads backwards", buildZip([{ name: "a\u202egnp.js" }]), "PackageUnsafe", "invisible"],
  ["a name that is not UTF-8", buildZip([{ name: Buffer.from([0x61, 0xff]) }]), "PackageUnsafe", "not UTF-8"],
  ["a device name", buildZip([{ name: "data/nul.txt" }]), "PackageUnsafe", "device on Windows"],
  ["a long name", buildZip([{ name: "x".repeat(300) }]), "PackageUnsafe", "longer than 255 bytes"],
  ["a long path", buildZip([{ name: "x/".repeat(300) + "x" }]), "PackageUnsafe", "longer than 400"],
  [
    "a symbolic link",
    buildZip([{ name: "a", content: "/etc", mode: 0o120777 }]),
    "PackageUnsafe",
    "neither a plain file",
  ],
  ["a device", buildZip([{ name: "a", mode: 0o020666 }]), "PackageUnsafe", "neither a plain file"],
  ["a pipe", buildZip([{ name: "a", mode: 0o010666 }]), "PackageUnsafe", "neither a plain file"],
  ["a directory named as a file", buildZip([{ name: "a", mode: 0o040755 }]), "PackageUnsafe", "neither a plain file"],
  ["a link named as a directory", buildZip([{ name: "a/", mode: 0o120777 }]), "PackageUnsafe", "neither a plain file"],
  ["the same file twice", buildZip([job, job]), "PackageUnsafe", "are the same file"],
  [
    "files differing in case",
    buildZip([{ name: "A" }, { name: "a" }]),
    "PackageUnsafe",
    '"A" and "a" are the same file',
  ],
  ["files differing in composition", buildZip([{ name: "\u00e9" }, { name: "e\u0301" }]), "PackageUnsafe", "same file"],
  ["directories differing in case", buildZip([{ name: "A/x" }, { name: "a/y" }]), "PackageUnsafe", "same directory"],
  ["the same directory twice", buildZip([{ name: "a/" }, { name: "a/" }]), "PackageUnsafe", "occurs twice"],
  ["a file, then below it", buildZip([{ name: "a" }, { name: "a/b" }]), "PackageUnsafe", "both a file and a directory"],
  ["below a file, then it", buildZip([{ name: "a/b" }, { name: "A" }]), "PackageUnsafe", "both a file and a directory"],
  ["a file and a directory", buildZip([{ name: "a/" }, { name: "a" }]), "PackageUnsafe", "both a file and a directory"],
  ["encryption", buildZip([{ ...job, flags: 0x801 }]), "PackageUnsafe", "is encrypted"],
  ["encryption said in one place", buildZip([{ ...job, local: { flags: 0x801 } }]), "PackageUnsafe", "is encrypted"],
  ["strong encryption", buildZip([{ ...job, flags: 0x841 }]), "PackageCorrupt", "strong encryption"],
  ["an unknown compression", buildZip([{ ...job, method: 14 }]), "PackageCorrupt", "compression method 14"],
  [
    "a local header elsewhere",
    buildZip([job, { name: "b", offset: 9_999 }]),
    "PackageCorrupt",
    'no local header of entry "b"',
  ],
  ["a bad local header", buildZip([{ ...job, local: { signature: 1 } }]), "PackageCorrupt", "no local header"],
  ["two names", buildZip([{ ...job, local: { name: "other.js" } }]), "PackageCorrupt", "two different names"],
  ["two methods", buildZip([{ ...job, local: { method: 0 } }]), "PackageCorrupt", "two different compression methods"],
  ["two sizes", buildZip([{ ...job, local: { bytes: 7 } }]), "PackageCorrupt", "two different sizes"],
  ["truncated data", buildZip([{ ...job, compressedBytes: 5_000 }]), "PackageCorrupt", "truncated data"],
  ["a wrong checksum", buildZip([{ ...job, crc32: 1 }]), "PackageCorrupt", '"job.json" does not match its checksum'],
  ["a wrong checksum, stored", buildZip([{ ...job, stored: true, crc32: 1 }]), "PackageCorrupt", "does not match"],
  [
    "more than it declares",
    buildZip([{ name: "a", content: noise(900), bytes: 10 }]),
    "PackageCorrupt",
    "larger than the 10",
  ],
  [
    "one byte more than it declares",
    buildZip([{ name: "a", content: noise(11), bytes: 10 }]),
    "PackageCorrupt",
    "has 11 bytes instead of the 10",
  ],
  [
    "less than it declares",
    buildZip([{ name: "a", content: "abc", bytes: 10 }]),
    "PackageCorrupt",
    "has 3 bytes instead",
  ],
  [
    "a bomb that lies",
    buildZip([{ name: "a", content: zeros(5_000_000), bytes: 10 }]),
    "PackageCorrupt",
    "larger than the 10",
  ],
  [
    "data that is no deflate stream",
    buildZip([{ name: "a", content: "\u0007abc", stored: true, method: 8 }]),
    "PackageCorrupt",
    '"a"',
  ],
  ["a directory with content", buildZip([{ name: "a/", content: "abc" }]), "PackageCorrupt", "directory with content"],
  ["a bomb", buildZip([{ name: "a", content: zeros(150_000) }]), "PackageTooLarge", "times; at most 200 times"],
  ["a large file", buildZip([{ name: "a", content: noise(200_001) }]), "PackageTooLarge", "at most 200000 are allowed"],
  [
    "a large sum",
    buildZip(["a", "b"].map((name) => ({ name, content: noise(160_000) }))),
    "PackageTooLarge",
    "unpacks to 320000",
  ],
  ["a large archive", Buffer.alloc(1_000_001), "PackageTooLarge", "The package has 1000001 bytes"],
  [
    "too many entries",
    buildZip(Array.from({ length: 101 }, (_, i) => ({ name: `f${i}` }))),
    "PackageTooLarge",
    "101 entries",
  ],
  ["entries that are not there", buildZip([job], { entryCount: 3 }), "PackageCorrupt", "not a readable ZIP"],
  ["nothing", Buffer.alloc(0), "PackageCorrupt", "not a readable ZIP"],
  ["something else", Buffer.from("<html>not found</html>".repeat(20)), "PackageCorrupt", "not a readable ZIP"],
  ["bytes after its end", buildZip([job], { trailing: Buffer.from("more") }), "PackageCorrupt", "not a readable ZIP"],
];

describe("unpackPackage", () => {
  it.each(hostile)("refuses %s and leaves nothing", async (_, bytes, code, message) => {
    await using root = await temporaryDirectory();
    const unpacking = unpackPackage({ bytes, directory: join(root.path, "package"), limits });
    await expect(unpacking).rejects.toMatchObject({
      code,
      retryable: false,
      message: expect.stringContaining(message) as string,
    });
    expect(await readdir(root.path)).toEqual([]);
  });

  it("refuses entries that share bytes under different names", async () => {
    await using root = await temporaryDirectory();
    // The inner archive's entry lies inside the data of the outer's: both headers are in order.
    const inner = buildZip([{ name: "inner", content: "abc", stored: true }]).subarray(0, 30 + 5 + 3);
    const bytes = buildZip([
      { name: "outer", content: inner, stored: true },
      { name: "inner", content: "abc", stored: true, offset: 30 + 5 },
    ]);
    const unpacking = unpackPackage({ bytes, directory: join(root.path, "package"), limits });
    await expect(unpacking).rejects.toMatchObject({
      code: "PackageUnsafe",
      message: 'The package is unsafe: entries "outer" and "inner" overlap.',
    });
  });

  it("writes files and directories, keeping of their modes only whether they are executable", async () => {
    await using root = await temporaryDirectory();
    const directory = join(root.path, "package");
    const bytes = buildZip([
      { name: "empty/", mode: 0o040777 },
      job,
      { name: "bin/tool.sh", content: "#!/bin/sh\n", mode: 0o106755 },
      { name: "data/large.bin", content: noise(150_000) },
      { name: "data/stored.txt", content: "stored", stored: true, mode: 0o100600 },
      { name: "data/without mode", content: "", mode: 0 },
    ]);
    await unpackPackage({ bytes, directory, limits });

    expect((await readdir(directory, { recursive: true })).sort()).toEqual([
      "bin",
      "bin/tool.sh",
      "data",
      "data/large.bin",
      "data/stored.txt",
      "data/without mode",
      "empty",
      "job.json",
    ]);
    expect(await readFile(join(directory, "data/large.bin"))).toEqual(Buffer.from(noise(150_000)));
    expect(await readFile(join(directory, "data/stored.txt"), "utf8")).toBe("stored");
    const mode = async (path: string) => (await stat(join(directory, path))).mode & 0o7777;
    expect(await mode("bin/tool.sh")).toBe(0o755);
    expect(await mode("data/stored.txt")).toBe(0o644);
    expect(await mode("data/without mode")).toBe(0o644);
  });

  it("takes small files however well they compress", async () => {
    await using root = await temporaryDirectory();
    const bytes = buildZip([{ name: "zeros", content: zeros(49_000) }]);
    await unpackPackage({ bytes, directory: join(root.path, "package"), limits });
  });

  it("does not touch a directory that is there already", async () => {
    await using root = await temporaryDirectory();
    const request = { bytes: buildZip([job]), directory: join(root.path, "package"), limits };
    await unpackPackage(request);
    await expect(unpackPackage(request)).rejects.toMatchObject({ code: "EEXIST" });
    expect(existsSync(join(request.directory, "job.json"))).toBe(true);
  });

  it("stops when told to and cleans up", async () => {
    await using root = await temporaryDirectory();
    const unpacking = unpackPackage({
      bytes: buildZip([job]),
      directory: join(root.path, "package"),
      limits,
      signal: AbortSignal.abort(),
    });
    await expect(unpacking).rejects.toMatchObject({ name: "AbortError" });
    expect(await readdir(root.path)).toEqual([]);
  });

  it("unpacks or refuses, and never writes elsewhere, whatever byte of an archive is changed", async () => {
    await using root = await temporaryDirectory();
    const whole = buildZip([
      job,
      { name: "a/b.txt", content: "hello hello hello" },
      { name: "c", content: noise(300), stored: true },
    ]);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (position, value) => {
        const bytes = Buffer.from(whole);
        bytes[position] = value;
        const directory = join(root.path, `package-${run++}`);
        const outcome: unknown = await unpackPackage({ bytes, directory, limits }).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          expect(outcome).toMatchObject({ name: "PackageError" });
          expect(await readdir(root.path)).toEqual([]);
        } else {
          expect(await readdir(root.path)).toEqual([directory.slice(root.path.length + 1)]);
        }
        await rm(directory, { recursive: true, force: true });
      }),
      { numRuns: 500 },
    );
  });
});
