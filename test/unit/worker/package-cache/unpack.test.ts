import { existsSync } from "node:fs";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unpackPackage } from "../../../../runtime/worker/package-cache/unpack.ts";
import {
  EMPTY_MANIFEST as job,
  HOSTILE_PACKAGES,
  noise,
  SMALL_LIMITS as limits,
  zeros,
} from "../../../support/packages/hostile-packages.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { buildZip } from "../../../support/packages/zip-builder.ts";

describe("unpackPackage", () => {
  it.each(HOSTILE_PACKAGES)(
    "unpacking refuses %s and leaves nothing",
    { tags: "attack/archives" },
    async (_, bytes, code, message) => {
      await using root = await temporaryDirectory();
      const unpacking = unpackPackage({ bytes, directory: join(root.path, "package"), limits });
      await expect(unpacking).rejects.toMatchObject({
        code,
        retryable: false,
        message: expect.stringContaining(message) as string,
      });
      expect(await readdir(root.path)).toEqual([]);
    },
  );

  it("unpacking refuses entries that share bytes under different names", { tags: "attack/archives" }, async () => {
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

  it("unpacking keeps of modes only whether files are executable", async () => {
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

  it("unpacking accepts small files however well they compress", async () => {
    await using root = await temporaryDirectory();
    const bytes = buildZip([{ name: "zeros", content: zeros(49_000) }]);
    await unpackPackage({ bytes, directory: join(root.path, "package"), limits });
  });

  it("unpacking does not touch an existing directory", async () => {
    await using root = await temporaryDirectory();
    const request = { bytes: buildZip([job]), directory: join(root.path, "package"), limits };
    await unpackPackage(request);
    await expect(unpackPackage(request)).rejects.toMatchObject({ code: "EEXIST" });
    expect(existsSync(join(request.directory, "job.json"))).toBe(true);
  });

  it("unpacking stops with its signal and cleans up", async () => {
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

  it(
    "an archive with any byte changed is unpacked or refused, and nothing is written elsewhere",
    { tags: "attack/archives" },
    async () => {
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
    },
  );
});
