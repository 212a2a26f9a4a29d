/**
 * The jobs of published packages with their schemas, by version. A version never changes, so its manifest is read once.
 */
import { PackageError, UnreadableError } from "../core/errors.ts";
import { KNOWN_SCHEMAS_MAX_COUNT } from "../core/limits.ts";
import type { ManifestJob } from "../core/package/manifest.ts";
import type { PackageCatalog } from "../core/ports/package-store.ts";
import { manifestIn } from "../package/read/inspect-package.ts";

export interface PackageVersionName {
  readonly tenantName: string;
  readonly packageName: string;
  readonly sha256: string;
}

/** By type, in the order of the manifest. */
export type PublishedJobs = ReadonlyMap<string, Pick<ManifestJob, "jobType" | "parameters" | "output" | "limits">>;

/** Throws UnavailableError. Empty: the version is gone or cannot be read. A worker says what is wrong with it. */
export type PublishedJobsOf = (version: PackageVersionName) => Promise<PublishedJobs>;

export function createPublishedJobs(packages: Pick<PackageCatalog, "fetchVersion">): PublishedJobsOf {
  /** The latest used last. Packages of the same bytes have the same jobs. */
  const known = new Map<string, Promise<PublishedJobs>>();

  // One package at a time: submits that name many unread versions must not fill the memory.
  let reading: Promise<unknown> = Promise.resolve();
  function readInTurn(version: PackageVersionName): Promise<PublishedJobs> {
    const jobs = reading.then(() => read(version));
    reading = jobs.catch(() => undefined);
    return jobs;
  }

  async function read({ tenantName, packageName, sha256 }: PackageVersionName): Promise<PublishedJobs> {
    const bytes = await packages.fetchVersion(tenantName, packageName, sha256);
    if (bytes === undefined) {
      // Perhaps only in this package: another one with these bytes may still be there.
      known.delete(sha256);
      return new Map();
    }
    try {
      const { jobs } = await manifestIn(bytes);
      return new Map(
        jobs.map(({ jobType, parameters, output, limits }) => [jobType, { jobType, parameters, output, limits }]),
      );
    } catch (error) {
      if (error instanceof PackageError || error instanceof UnreadableError) return new Map();
      throw error;
    }
  }

  return (version) => {
    const { sha256 } = version;
    const jobs = known.get(sha256) ?? readInTurn(version);
    known.delete(sha256);
    known.set(sha256, jobs);
    // Waiting requests get the error. The next request reads again.
    jobs.catch(() => known.delete(sha256));
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > KNOWN_SCHEMAS_MAX_COUNT) known.delete(oldest);
    return jobs;
  };
}
