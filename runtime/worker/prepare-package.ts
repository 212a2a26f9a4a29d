/** Gives an attempt its own copy of a package, or a hold on one to share, and the job type's declaration in it. */
import type { ManifestJob } from "../core/manifest.ts";
import { findJob } from "./packages/find-job.ts";
import type { PackageCache } from "./packages/package-cache.ts";
import type { SharedPackage } from "./process/spec.ts";

export interface PackageRequest {
  readonly tenantName: string;
  readonly packageName: string;
  readonly jobType: string;
}

/** Disposed when the attempt is over. */
export interface PreparedPackage extends Disposable {
  readonly hash: string;
  readonly job: ManifestJob;
  /** Set if the job may share a process: then `target` has been left alone. */
  readonly shared: SharedPackage | undefined;
}

/** Throws PackageError, UnavailableError, or the signal's reason. `target` must not exist. */
export async function preparePackage(
  cache: Pick<PackageCache, "acquire">,
  { tenantName, packageName, jobType }: PackageRequest,
  target: string,
  signal: AbortSignal,
): Promise<PreparedPackage> {
  const lease = await cache.acquire(tenantName, packageName, signal);
  try {
    const { hash, manifest } = lease;
    const job = findJob(manifest, jobType);
    const shared = job.isolation === "reuse" ? lease : undefined;
    if (shared === undefined) await lease.copyTo(target, signal);
    return { hash, job, shared, [Symbol.dispose]: () => lease.release() };
  } catch (error) {
    lease.release();
    throw error;
  }
}
