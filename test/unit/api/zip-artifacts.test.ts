import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { zipArtifacts, zipNames } from "../../../runtime/api/zip-artifacts.ts";
import { unzip } from "../../support/packages/unzip.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const modifiedAt = new Date("2030-01-01T08:00:00Z");
const MiB = 1024 * 1024;

/** Files of these lengths. `events` tells when each is opened, read and let go. */
function filesOf(lengths: readonly number[], failsAt?: number) {
  const events: string[] = [];
  const artifacts = lengths.map((bytes, index) => ({ path: `f${index}.bin`, bytes }));
  async function* content(path: string, bytes: number): AsyncGenerator<Uint8Array> {
    try {
      for (let left = bytes; left > 0; left -= MiB) {
        events.push(`read ${path}`);
        yield Buffer.alloc(Math.min(left, MiB), path.charCodeAt(1));
        if (failsAt !== undefined && bytes - left >= failsAt) throw new Error("storage is away");
        await Promise.resolve();
      }
    } finally {
      events.push(`close ${path}`);
    }
  }
  const open = (path: string) => {
    events.push(`open ${path}`);
    const bytes = artifacts.find((one) => one.path === path)?.bytes;
    return Promise.resolve(bytes === undefined ? undefined : { stream: content(path, bytes) });
  };
  return { events, artifacts, open };
}

describe("all artifacts as one ZIP", () => {
  it("has every file with its content, and as many bytes as it says beforehand", async () => {
    const { artifacts, open } = filesOf([0, 5, 3 * MiB + 1]);
    const { bytes, stream } = zipArtifacts({ artifacts, open, modifiedAt });
    const zip = await buffer(stream);
    expect(zip.length).toBe(bytes);
    await using folder = await temporaryDirectory();
    await writeFile(join(folder.path, "all.zip"), zip);
    const files = await unzip(join(folder.path, "all.zip"));
    expect([...files].map(([path, content]) => [path, content.length])).toEqual([
      ["f0.bin", 0],
      ["f1.bin", 5],
      ["f2.bin", 3 * MiB + 1],
    ]);
    expect(files.get("f1.bin")?.toString()).toBe("11111");
  });

  it("opens one file at a time, and reads no faster than its reader", async () => {
    const { artifacts, open, events } = filesOf([64 * MiB, 1]);
    const { stream } = zipArtifacts({ artifacts, open, modifiedAt });
    const reader = stream[Symbol.asyncIterator]();
    for (let taken = 0; taken < MiB;) taken += ((await reader.next()).value as Buffer).length;
    expect(events.filter((event) => event.startsWith("open"))).toEqual(["open f0.bin"]);
    expect(events.filter((event) => event.startsWith("read")).length).toBeLessThan(8);
    // The reader leaves.
    const closed = new Promise((resolve) => stream.once("close", resolve));
    await reader.return?.();
    await closed;
    await expect.poll(() => events.at(-1)).toBe("close f0.bin");
    expect(events).not.toContain("open f1.bin");
  });

  it("fails when a file cannot be read to its end, or is gone", async () => {
    const broken = filesOf([4 * MiB], MiB);
    await expect(buffer(zipArtifacts({ ...broken, modifiedAt }).stream)).rejects.toThrow("storage is away");
    const gone = { artifacts: [{ path: "gone.txt", bytes: 3 }], open: () => Promise.resolve(undefined) };
    await expect(buffer(zipArtifacts({ ...gone, modifiedAt }).stream)).rejects.toThrow("no artifact gone.txt");
    const shorter = { ...filesOf([5]), artifacts: [{ path: "f0.bin", bytes: 9 }] };
    await expect(buffer(zipArtifacts({ ...shorter, modifiedAt }).stream)).rejects.toThrow("unexpected number of bytes");
  });

  it("names are kept, unless a system would not unpack them or they would overwrite each other", () => {
    expect(zipNames(["a/b.txt", "ü 😀/.profile", "no-ending", "a.tar.gz"])).toEqual([
      ...["a/b.txt", "ü 😀/.profile", "no-ending", "a.tar.gz"],
    ]);
    expect(
      zipNames(["c:run.exe", "c_run.exe", "C_RUN.exe", 'a?*<>|"b', "NUL", "com1.txt", "end. /x", "console"]),
    ).toEqual([...["c_run.exe", "c_run-2.exe", "C_RUN-3.exe", "a______b", "_NUL", "_com1.txt", "end._/x", "console"]]);
    expect(zipNames([".profile", ".PROFILE"])).toEqual([".profile", ".PROFILE-2"]);
  });
});
