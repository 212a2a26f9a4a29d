/** Services in memory for one run, with jobs that are played in the worker's process: fast enough for every fault. */
import { randomInt } from "node:crypto";
import { PackageError } from "../../../runtime/core/errors.ts";
import type { Manifest } from "../../../runtime/core/package/manifest.ts";
import type { PackageStore } from "../../../runtime/core/ports/package-store.ts";
import type { PackageLease } from "../../../runtime/worker/package-cache/package-cache.ts";
import type { Services } from "./fault-lab.ts";
import { startMemoryQueue } from "../stores/memory-queue.ts";
import { createMemoryStores } from "../stores/memory-stores.ts";
import { createScriptedJobs, SCRIPTED_JOB_TYPES } from "./scripted-jobs.ts";

export async function createMemoryServices({ lockMs }: { readonly lockMs: number }): Promise<Services> {
  const stores = createMemoryStores();
  const queue = startMemoryQueue({ lockMs });
  const tenantName = `t${randomInt(36 ** 8).toString(36)}`;
  await stores.packages.upload(tenantName, "test.zip", Buffer.from("zip"));
  return {
    lockMs,
    pool: "default",
    tenantName,
    stores: () => stores,
    observer: queue.connect(),
    queue: () => queue.connect(),
    cache: (store) => ({ acquire: (tenantName, packageName) => leaseOf(store, tenantName, packageName) }),
    processes: (_directory, progress) => Promise.resolve(createScriptedJobs({ lockMs, ...progress })),
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  };
}

const MANIFEST: Manifest = {
  manifestVersion: 1,
  name: "test",
  platform: "any",
  jobs: SCRIPTED_JOB_TYPES.map((jobType) => ({ jobType, entry: { kind: "module", file: "main.mjs" } })),
};

/** Asks the store at every use, and unpacks nothing. */
async function leaseOf(store: PackageStore, tenantName: string, packageName: string): Promise<PackageLease> {
  const blob = await store.fetch(tenantName, packageName, undefined);
  if (blob === undefined) throw new PackageError("PackageNotFound", "There is no such package.");
  const nothing = (): void => undefined;
  return { hash: "hash", directory: "", manifest: MANIFEST, copyTo: () => Promise.resolve(), release: nothing };
}
