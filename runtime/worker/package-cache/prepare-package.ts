/** Gives an attempt its own copy of a package, or a hold on one to share, and the job type's declaration in it. */
import { PackageError } from "../../core/errors.ts";
import type { Manifest, ManifestJob } from "../../core/package/manifest.ts";
import { didYouMean } from "../../core/text.ts";
import type { SharedPackage } from "../process/spec.ts";
import type { PackageCache } from "./package-cache.ts";

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

// Finds a job type in a package.

/** Types listed in the error; a package with more is not helped by a longer list. */
const LISTED_TYPES = 20;

/** Throws PackageError "JobTypeUnknown", naming the types the package has. */
export function findJob({ name, jobs }: Manifest, jobType: string): ManifestJob {
  const job = jobs.find((candidate) => candidate.jobType === jobType);
  if (job !== undefined) return job;
  const types = jobs.slice(0, LISTED_TYPES).map((one) => one.jobType);
  const more = jobs.length > LISTED_TYPES ? ` and ${jobs.length - LISTED_TYPES} more` : "";
  const meant = didYouMean(
    jobType,
    jobs.map((one) => one.jobType),
  );
  const message = `Package ${name} has no job of type ${JSON.stringify(jobType)}${meant}; it has ${types.join(", ")}${more}.`;
  throw new PackageError("JobTypeUnknown", message);
}
