/** Finds what a caller names by its id. */
import { NotFoundError } from "../core/errors.ts";
import { parseBatchId, parseJobId } from "../core/ids.ts";
import type { Batch, Job } from "../core/job.ts";
import type { BatchStore, JobStore, Stored } from "../core/ports.ts";
import type { Caller } from "./caller.ts";

/** Throws NotFoundError also for what belongs to a tenant the caller may not use: the two look the same from outside. */
export interface Lookup {
  job(caller: Caller, jobId: string): Promise<Stored<Job>>;
  batch(caller: Caller, batchId: string): Promise<Stored<Batch>>;
}

export interface LookupDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly batches: Pick<BatchStore, "get">;
}

export const createLookup = ({ jobs, batches }: LookupDeps): Lookup => ({
  async job(caller, jobId) {
    const tenantName = parseJobId(jobId)?.tenantName;
    const known = tenantName !== undefined && caller.mayUse(tenantName);
    const stored = known ? await jobs.get(jobId) : undefined;
    if (stored === undefined) throw noSuchJob(jobId);
    return stored;
  },
  async batch(caller, batchId) {
    const tenantName = parseBatchId(batchId)?.tenantName;
    const known = tenantName !== undefined && caller.mayUse(tenantName);
    const stored = known ? await batches.get(batchId) : undefined;
    if (stored === undefined) throw new NotFoundError("BatchNotFound", `There is no batch ${batchId}.`);
    return stored;
  },
});

export const noSuchJob = (jobId: string): NotFoundError =>
  new NotFoundError("JobNotFound", `There is no job ${jobId}.`);
