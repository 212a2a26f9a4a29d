/** A job as one answer shows it: with its parameters, also those too large for its row. */
import type { Job } from "../core/job.ts";
import type { JobFiles } from "../core/ports/job-files.ts";
import { jobView, type JobView } from "../core/views.ts";

export async function fullView(job: Job, files: Pick<JobFiles, "getParameters">): Promise<JobView> {
  return jobView({ ...job, parameters: job.parameters ?? (await files.getParameters(job.jobId)) });
}
