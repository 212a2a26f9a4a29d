import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Manifest, type PackagePlatform } from "../../../../runtime/core/package/manifest.ts";
import { PACKAGE_ANSWER_FOR_MS } from "../../../../runtime/core/limits.ts";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import type { PackageBlob, PackageStore } from "../../../../runtime/core/ports/package-store.ts";
import {
  type PackageCache,
  createPackageCache,
  findJob,
} from "../../../../runtime/worker/package-cache/package-cache.ts";
import { currentPlatform } from "../../../../runtime/worker/package-cache/unpack.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../../support/temporary-directory.ts";
import { eventually } from "../../../support/eventually.ts";
import { type ZipEntry, buildZip } from "../../../support/packages/zip-builder.ts";

const LINUX: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };

const manifestOf = (changes: Partial<Manifest> = {}): Manifest => ({
  manifestVersion: 1,
  name: "sample",
  platform: "any",
  jobs: [{ jobType: "A", entry: { kind: "module", file: "a.mjs" } }],
  ...changes,
});

const packageZip = (text: string, changes: Partial<Manifest> = {}, extra: readonly ZipEntry[] = []): Buffer =>
  buildZip([
    { name: "job.json", content: JSON.stringify(manifestOf(changes)) },
    { name: "a.mjs", content: text },
    { name: "bin/tool.sh", content: "#!/bin/sh", mode: 0o100755 },
    ...extra,
  ]);

/** A store whose answers can be held back, and which counts what it is asked and what it hands out. */
function fakeStore() {
  const blobs = new Map<string, PackageBlob>();
  let gate: Promise<unknown> = Promise.resolve();
  let uploads = 0;
  const counts = { asked: 0, downloads: 0 };
  const put = (name: string, bytes: Uint8Array): void => {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    blobs.set(name, { bytes, sha256, version: `v${++uploads}` });
  };
  const store: Pick<PackageStore, "fetch"> = {
    async fetch(tenantName, packageName, knownVersion) {
      counts.asked++;
      await gate;
      const blob = blobs.get(`${tenantName}/${packageName}`);
      if (blob?.version === knownVersion && blob !== undefined) return "unchanged";
      if (blob !== undefined) counts.downloads++;
      return blob;
    },
  };
  return {
    store,
    counts,
    put,
    remove: (name: string) => blobs.delete(name),
    /** Holds all answers back until the returned function is called. */
    close: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      gate = promise;
      return () => {
        gate = Promise.resolve();
        resolve(undefined);
      };
    },
  };
}

/** Stands still unless a test sets it. */
function testClock() {
  let now = 0;
  return { monotonicNow: () => now, pass: (ms: number) => (now += ms) };
}

const cacheIn = (
  { path }: TemporaryDirectory,
  store: Pick<PackageStore, "fetch">,
  { maxVersions = 20, answerForMs = PACKAGE_ANSWER_FOR_MS, clock = testClock() } = {},
): PackageCache => {
  const { monotonicNow } = clock;
  const directory = join(path, "cache");
  return createPackageCache({ store, directory, platform: LINUX, maxVersions, answerForMs, monotonicNow });
};

const cached = async ({ path }: TemporaryDirectory): Promise<string[]> => readdir(join(path, "cache"));

describe("createPackageCache", () => {
  it("the cache unpacks a package and returns its manifest", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    put("demo/sample", packageZip("1"));
    const lease = await cacheIn(root, store).acquire("demo", "sample");
    expect(lease.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(lease.directory).toBe(join(root.path, "cache", lease.hash));
    expect(lease.manifest).toEqual(manifestOf());
    expect(await readFile(join(lease.directory, "a.mjs"), "utf8")).toBe("1");
    expect(await cached(root)).toEqual([lease.hash]);
  });

  it("the cache unpacks once for any number of runs at the same time", async () => {
    await using root = await temporaryDirectory();
    const { store, counts, put } = fakeStore();
    put("demo/sample", packageZip("1"));
    const cache = cacheIn(root, store);
    const leases = await Promise.all(Array.from({ length: 20 }, () => cache.acquire("demo", "sample")));
    expect(new Set(leases.map(({ hash }) => hash)).size).toBe(1);
    expect(counts).toEqual({ asked: 1, downloads: 1 });
  });

  it("the cache shares equal content between tenants and nothing else", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    put("demo/sample", packageZip("1"));
    put("other/sample", packageZip("1"));
    put("third/sample", packageZip("3"));
    const cache = cacheIn(root, store);
    const [demo, other, third] = await Promise.all(
      ["demo", "other", "third"].map((name) => cache.acquire(name, "sample")),
    );
    expect(demo?.hash).toBe(other?.hash);
    expect(demo?.hash).not.toBe(third?.hash);
    await expect(cache.acquire("fourth", "sample")).rejects.toMatchObject({
      code: "PackageNotFound",
      message: 'Tenant fourth has no package "sample".',
    });
  });

  it("an answer serves the runs of a second, the next run gets the last upload, a running one keeps its version", async () => {
    await using root = await temporaryDirectory();
    const { store, counts, put } = fakeStore();
    const clock = testClock();
    const cache = cacheIn(root, store, { clock });
    put("demo/sample", packageZip("1"));
    const first = await cache.acquire("demo", "sample");
    put("demo/sample", packageZip("2"));
    clock.pass(PACKAGE_ANSWER_FOR_MS - 1);
    expect((await cache.acquire("demo", "sample")).hash).toBe(first.hash);
    expect(counts).toEqual({ asked: 1, downloads: 1 });
    clock.pass(1);
    const second = await cache.acquire("demo", "sample");
    expect(await readFile(join(first.directory, "a.mjs"), "utf8")).toBe("1");
    expect(await readFile(join(second.directory, "a.mjs"), "utf8")).toBe("2");
    clock.pass(PACKAGE_ANSWER_FOR_MS);
    expect((await cache.acquire("demo", "sample")).hash).toBe(second.hash);
    expect(counts).toEqual({ asked: 3, downloads: 2 });
  });

  it("asks before every run if answers are not used", async () => {
    await using root = await temporaryDirectory();
    const { store, counts, put } = fakeStore();
    const cache = cacheIn(root, store, { answerForMs: 0 });
    for (const content of ["1", "2"]) {
      put("demo/sample", packageZip(content));
      const { directory } = await cache.acquire("demo", "sample");
      expect(await readFile(join(directory, "a.mjs"), "utf8")).toBe(content);
    }
    expect(counts).toEqual({ asked: 2, downloads: 2 });
  });

  it("an answer counts from its question, however late it comes", async () => {
    await using root = await temporaryDirectory();
    const { store, counts, put, close } = fakeStore();
    const clock = testClock();
    const cache = cacheIn(root, store, { clock });
    put("demo/sample", packageZip("1"));
    await cache.acquire("demo", "sample");
    clock.pass(PACKAGE_ANSWER_FOR_MS);
    const open = close();
    const slow = cache.acquire("demo", "sample");
    await eventually(() => expect(counts.asked).toBe(2));
    clock.pass(PACKAGE_ANSWER_FOR_MS);
    const next = cache.acquire("demo", "sample");
    await eventually(() => expect(counts.asked).toBe(3));
    open();
    expect((await slow).hash).toBe((await next).hash);
    expect(counts).toEqual({ asked: 3, downloads: 1 });
  });

  it("a run that comes while a new package is downloaded waits for it", async () => {
    await using root = await temporaryDirectory();
    const { store, counts, put, close } = fakeStore();
    const clock = testClock();
    const cache = cacheIn(root, store, { clock });
    put("demo/sample", packageZip("1"));
    const open = close();
    const first = cache.acquire("demo", "sample");
    await eventually(() => expect(counts.asked).toBe(1));
    clock.pass(PACKAGE_ANSWER_FOR_MS);
    const later = [cache.acquire("demo", "sample"), cache.acquire("demo", "sample")];
    open();
    const hashes = (await Promise.all([first, ...later])).map(({ hash }) => hash);
    expect(new Set(hashes).size).toBe(1);
    expect(counts).toEqual({ asked: 2, downloads: 1 });
  });

  it("the cache notices that a package is gone, and asks again for one that was not there", async () => {
    await using root = await temporaryDirectory();
    const { store, put, remove } = fakeStore();
    const clock = testClock();
    const cache = cacheIn(root, store, { clock });
    put("demo/sample", packageZip("1"));
    await cache.acquire("demo", "sample");
    remove("demo/sample");
    clock.pass(PACKAGE_ANSWER_FOR_MS);
    await expect(cache.acquire("demo", "sample")).rejects.toMatchObject({ code: "PackageNotFound" });
    put("demo/sample", packageZip("1"));
    await cache.acquire("demo", "sample");
  });

  it("the cache keeps the versions used last and every version in use", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    const cache = cacheIn(root, store, { maxVersions: 2 });
    for (const name of ["a", "b", "c", "d"]) put(`demo/${name}`, packageZip(name));
    const [a, b, c] = [
      await cache.acquire("demo", "a"),
      await cache.acquire("demo", "b"),
      await cache.acquire("demo", "c"),
    ];
    expect(await cached(root)).toHaveLength(3);
    b.release();
    b.release();
    await cache.settled();
    expect((await cached(root)).sort()).toEqual([a.hash, c.hash].sort());
    a.release();
    c.release();
    (await cache.acquire("demo", "a")).release();
    const d = await cache.acquire("demo", "d");
    d.release();
    await cache.settled();
    expect((await cached(root)).sort()).toEqual([a.hash, d.hash].sort());
    expect(await readFile(join((await cache.acquire("demo", "c")).directory, "a.mjs"), "utf8")).toBe("c");
  });

  it("the cache never removes a version in use", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    const clock = testClock();
    const cache = cacheIn(root, store, { maxVersions: 1, clock });
    const names = ["a", "b", "c", "d", "e"];
    for (const name of names) put(`demo/${name}`, packageZip(name));
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const name = names[(index * 7) % names.length]!;
        if (index % 10 === 0) put(`demo/${name}`, packageZip(name, {}, [{ name: `v${index}` }]));
        clock.pass(PACKAGE_ANSWER_FOR_MS / 4);
        const lease = await cache.acquire("demo", name);
        for (let read = 0; read < 3; read++) expect(await readFile(join(lease.directory, "a.mjs"), "utf8")).toBe(name);
        lease.release();
      }),
    );
    await cache.settled();
    expect(await cached(root)).toHaveLength(1);
  });

  it("the cache removes leftovers of an earlier process and nothing else", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    put("demo/sample", packageZip("1"));
    const hash = "0".repeat(64);
    await mkdir(join(root.path, "cache", `unpacking-${hash}`), { recursive: true });
    await mkdir(join(root.path, "cache", hash));
    await writeFile(join(root.path, "cache", "notes.txt"), "mine");
    const lease = await cacheIn(root, store).acquire("demo", "sample");
    expect((await cached(root)).sort()).toEqual([lease.hash, "notes.txt"].sort());
  });

  it.each<[string, Buffer, string, string]>([
    ["without a manifest", buildZip([{ name: "a.mjs" }]), "ManifestMissing", "no job.json at its root"],
    [
      "with a broken manifest",
      buildZip([{ name: "job.json", content: "{" }]),
      "ManifestInvalid",
      "job.json is not JSON",
    ],
    [
      "for another system",
      packageZip("", { platform: { os: "win32", arch: "x64" } }),
      "PlatformMismatch",
      "packed for win32-x64, and this worker is linux-x64-glibc",
    ],
    [
      "for another C library",
      packageZip("", { platform: { ...LINUX, libc: "musl" } }),
      "PlatformMismatch",
      "linux-x64-musl",
    ],
    [
      "whose code is missing",
      packageZip("", { jobs: [{ jobType: "B", entry: { kind: "module", file: "b.mjs" } }] }),
      "EntryPointInvalid",
      "Job type B starts at b.mjs, which is not in the package.",
    ],
    [
      "whose program is missing",
      packageZip("", { jobs: [{ jobType: "B", entry: { kind: "command", command: "./b.sh" } }] }),
      "EntryPointInvalid",
      "b.sh",
    ],
    ["that is no ZIP", Buffer.from("hello"), "PackageCorrupt", "not a readable ZIP"],
    ["that is unsafe", buildZip([{ name: "../x" }]), "PackageUnsafe", "contains"],
  ])("refuses a package %s, unpacking it only once", async (_, bytes, code, message) => {
    await using root = await temporaryDirectory();
    const { store, counts, put } = fakeStore();
    put("demo/sample", bytes);
    const clock = testClock();
    const cache = cacheIn(root, store, { clock });
    for (let run = 0; run < 3; run++) {
      clock.pass(PACKAGE_ANSWER_FOR_MS);
      await expect(cache.acquire("demo", "sample")).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as string,
      });
    }
    expect(counts).toEqual({ asked: 3, downloads: 1 });
    expect(await cached(root)).toEqual([]);
    put("demo/sample", packageZip("mended"));
    clock.pass(PACKAGE_ANSWER_FOR_MS);
    await cache.acquire("demo", "sample");
  });

  it("accepts programs of the package and of the machine", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    const jobs = [
      { jobType: "Own", entry: { kind: "command", command: "./bin/tool.sh" } },
      { jobType: "Installed", entry: { kind: "command", command: "python3" } },
    ] as const;
    put("demo/sample", packageZip("", { platform: LINUX, jobs }));
    expect((await cacheIn(root, store).acquire("demo", "sample")).manifest.jobs).toEqual(jobs);
  });

  it("the cache retries after failures outside the package", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    put("demo/sample", packageZip("1"));
    let failures = 1;
    const cache = cacheIn(root, {
      fetch: async (...args) => {
        if (failures-- > 0) throw new UnavailableError("StorageUnavailable", "no answer");
        return store.fetch(...args);
      },
    });
    await expect(cache.acquire("demo", "sample")).rejects.toMatchObject({ code: "StorageUnavailable" });
    await cache.acquire("demo", "sample");
  });

  it("a caller can stop waiting without disturbing others", async () => {
    await using root = await temporaryDirectory();
    const { store, put, close } = fakeStore();
    put("demo/sample", packageZip("1"));
    const open = close();
    const cache = cacheIn(root, store);
    const patient = cache.acquire("demo", "sample");
    const abort = new AbortController();
    const impatient = cache.acquire("demo", "sample", abort.signal);
    abort.abort();
    await expect(impatient).rejects.toMatchObject({ name: "AbortError" });
    open();
    await expect(patient).resolves.toMatchObject({ manifest: { name: "sample" } });
  });

  it("every run gets a copy of its own", async () => {
    await using root = await temporaryDirectory();
    const { store, put } = fakeStore();
    put("demo/sample", packageZip("1", {}, [{ name: "empty/" }]));
    const lease = await cacheIn(root, store).acquire("demo", "sample");
    const copy = join(root.path, "copy");
    await lease.copyTo(copy);
    expect((await readdir(copy, { recursive: true })).sort()).toEqual(
      (await readdir(lease.directory, { recursive: true })).sort(),
    );
    expect((await stat(join(copy, "bin/tool.sh"))).mode & 0o777).toBe(0o755);
    await writeFile(join(copy, "a.mjs"), "changed by a job");
    expect(await readFile(join(lease.directory, "a.mjs"), "utf8")).toBe("1");
    await expect(lease.copyTo(copy)).rejects.toMatchObject({ code: "EEXIST" });
    await expect(lease.copyTo(join(root.path, "other"), AbortSignal.abort())).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(existsSync(join(root.path, "other", "a.mjs"))).toBe(false);
  });
});

describe("findJob", () => {
  it("findJob finds a type or lists the known ones", () => {
    const manifest = manifestOf();
    expect(findJob(manifest, "A")).toBe(manifest.jobs[0]);
    expect(() => findJob(manifest, "a")).toThrow(
      expect.objectContaining({
        code: "JobTypeUnknown",
        message: 'Package sample has no job of type "a" (did you mean "A"?); it has A.',
      }),
    );
  });
});

describe("currentPlatform", () => {
  it("currentPlatform names system, architecture and, on Linux, the C library", () => {
    expect(currentPlatform()).toMatchObject({ os: process.platform, arch: process.arch });
    expect("libc" in currentPlatform()).toBe(process.platform === "linux");
  });
});
