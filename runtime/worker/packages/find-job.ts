/** Finds a job type in a package. */
import { didYouMean } from "../../core/did-you-mean.ts";
import { PackageError } from "../../core/errors.ts";
import type { Manifest, ManifestJob } from "../../core/manifest.ts";

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
