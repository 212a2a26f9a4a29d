/** Gives an attempt its own copy of a package, and the job type's declaration in it. */
import type { ManifestJob } from "../core/manifest.ts";
import { findJob } from "./packages/find-job.ts";
import type { PackageCache } from "./packages/package-cache.ts";

export interface PackageRequest {
  readonly tenantName: string;
  readonly packageName: string;
  readonly jobType: string;
}

export interface PreparedPackage {
  readonly hash: string;
  readonly job: ManifestJob;
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
    await lease.copyTo(target, signal);
    return { hash, job };
  } finally {
    lease.release();
  }
}
