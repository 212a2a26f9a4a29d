/** Finds jobs and batches by the ids that a caller gives. */
import { ConflictError, NotFoundError } from "../core/errors.ts";
import { TENANT_NAME_PATTERN, isTimerBatch, parseBatchId, parseJobId } from "../core/job/ids.ts";
import type { Batch, Job } from "../core/job/job.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { KeyStore } from "../core/ports/key-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { Caller } from "./auth/caller.ts";

/** Throws NotFoundError, also for what belongs to a tenant that the caller may not use. */
export interface Lookup {
  job(caller: Caller, jobId: string): Promise<Stored<Job>>;
  /** By its `clientJobId`. */
  clientJob(caller: Caller, tenantName: string, clientJobId: string): Promise<Stored<Job>>;
  batch(caller: Caller, batchId: string): Promise<Stored<Batch>>;
}

export interface LookupDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly batches: Pick<BatchStore, "get">;
  readonly keys: Pick<KeyStore, "find">;
}

/** Ids of jobs do not expire. */
const NEVER = new Date(0);

export const createLookup = ({ jobs, batches, keys }: LookupDeps): Lookup => ({
  async job(caller, jobId) {
    const tenantName = parseJobId(jobId)?.tenantName;
    const known = tenantName !== undefined && caller.mayUse(tenantName);
    const stored = known ? await jobs.get(jobId) : undefined;
    if (stored === undefined) throw noSuchJob(jobId);
    return stored;
  },
  async clientJob(caller, tenantName, clientJobId) {
    const name = { kind: "job-id", key: clientJobId } as const;
    const known = TENANT_NAME_PATTERN.test(tenantName) && caller.mayUse(tenantName);
    const [record] = known ? await keys.find(tenantName, [name], NEVER) : [];
    const stored = record && (await jobs.get(record.id));
    if (stored === undefined) throw noSuchJob(clientJobId);
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

/** Only a timer may add jobs to its batch, and nobody may close or cancel it. Throws ConflictError "BatchOfTimer". */
export function assertNotOfTimer({ batchId, batchName }: Batch): void {
  if (isTimerBatch(batchId)) throw batchOfTimer(`${batchId} (${batchName})`);
}

export const batchOfTimer = (batch: string): ConflictError =>
  new ConflictError(
    "BatchOfTimer",
    `Batch ${batch} belongs to a timer. Run or pause the timer, or cancel single runs.`,
  );
