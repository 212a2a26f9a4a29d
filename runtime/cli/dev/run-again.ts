/** Runs a job again as a new one, with the same parameters and priority. It belongs to no batch. */
import type { JobServiceClient, JobView } from "../../client/index.ts";
import { isTimerBatch } from "../../core/job/ids.ts";

/** Resolves to the id of the new job. */
export async function runAgain({ management, timers }: JobServiceClient, job: JobView): Promise<string> {
  const { tenantName, jobType, jobName, jobProcessorPackageName: packageName, parameters, priority } = job;
  if (isTimerBatch(job.batchId)) {
    // A run's own parameters are beside what it was told of its tick.
    const told = parameters as { readonly parameters?: unknown } | undefined;
    return timers.run({ tenantName, packageName, timerName: jobType }, { parameters: told?.parameters });
  }
  return management.submitJob({
    ...{ tenantName, jobType, jobName, jobProcessorPackageName: packageName, priority },
    ...(parameters !== undefined && { parameters }),
  });
}
