/** What the current version of a job's package declares of its limits. */
import { UnavailableError } from "../../core/errors.ts";
import type { PassLimitsDeps } from "../../lifecycle/limits/pass-limits.ts";
import type { PackageCache } from "./package-cache.ts";

/** The package is needed right after, and is in the cache then. */
export const limitsFrom =
  (packages: Pick<PackageCache, "acquire">): PassLimitsDeps["limitsOf"] =>
  async ({ tenantName, jobProcessorPackageName, jobType }) => {
    try {
      const lease = await packages.acquire(tenantName, jobProcessorPackageName);
      lease.release();
      return lease.manifest.jobs.find((job) => job.jobType === jobType)?.limits;
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      // What is wrong is told by the attempt, and ends it.
      return "unknown";
    }
  };
