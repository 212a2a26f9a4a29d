/** What a job is before anything has happened to it: a request that has passed every check, and the row made from it. */
import type { LimitKeys } from "../../core/admission/limit.ts";
import { invalidField } from "../../core/errors.ts";
import type { JobRequestBody } from "../../core/http/requests.ts";
import { type Batch, type Job, UNTOUCHED_JOB } from "../../core/job/job.ts";
import { PARAMETERS_MAX_BYTES, TAGS_MAX_COUNT } from "../../core/limits.ts";
import { startTimeOf } from "./start-time.ts";

/** A request that has passed every check. */
export interface PreparedJob {
  readonly request: JobRequestBody;
  readonly parametersJson: string;
  readonly runAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly limitKeys?: LimitKeys | undefined;
  /** The job that is submitted again as this one. */
  readonly originJobId?: string | undefined;
}

/** Throws InvalidRequestError. */
export const prepareJob = (request: JobRequestBody, now: Date): PreparedJob => ({
  request,
  parametersJson: parametersJson(request.parameters),
  ...times(request, now),
});

/** When the job may start, and when it expires. */
function times(
  { timeToLiveMs, ...given }: Pick<JobRequestBody, "runAt" | "delayMs" | "timeToLiveMs">,
  now: Date,
): Pick<PreparedJob, "runAt" | "expiresAt"> {
  const startAt = startTimeOf(given, now);
  const isAhead = startAt.getTime() > now.getTime();
  const waitsFrom = isAhead ? startAt : now;
  return {
    runAt: isAhead ? startAt : undefined,
    expiresAt: timeToLiveMs === undefined ? undefined : new Date(waitsFrom.getTime() + timeToLiveMs),
  };
}

function parametersJson(parameters: unknown): string {
  const json = JSON.stringify(parameters ?? null);
  if (Buffer.byteLength(json) > PARAMETERS_MAX_BYTES) {
    throw invalidField("parameters", `must be at most ${PARAMETERS_MAX_BYTES} bytes as JSON`, "PayloadTooLarge");
  }
  return json;
}

/** Those of the job and of its batch. Undefined: none. */
function tagsIn(batch: Batch, { tags = [] }: JobRequestBody): readonly string[] | undefined {
  const all = [...new Set([...(batch.tags ?? []), ...tags])];
  return all.length === 0 ? undefined : all;
}

/** Throws InvalidRequestError. */
export function assertTags(batch: Batch, request: JobRequestBody): void {
  if ((tagsIn(batch, request) ?? []).length <= TAGS_MAX_COUNT) return;
  throw invalidField("tags", `must be at most ${TAGS_MAX_COUNT} together with those of the batch`);
}

export type SubmittedFields = Pick<Job, "jobId" | "parameters" | "submittedAt" | "submittedBy" | "requestId" | "trace">;

/** A job as it is when nothing has happened to it yet. */
export const newJob = (
  batch: Batch,
  { request, runAt, expiresAt, limitKeys, originJobId }: PreparedJob,
  submitted: SubmittedFields,
): Job => ({
  ...submitted,
  ...limitKeys,
  batchId: batch.batchId,
  tenantName: batch.tenantName,
  clientJobId: request.clientJobId,
  jobType: request.jobType,
  jobName: request.jobName,
  jobProcessorPackageName: request.jobProcessorPackageName,
  priority: request.priority ?? batch.priority,
  pool: batch.pool,
  retry: request.retry ?? {},
  uniqueKey: request.unique?.key,
  timeoutMs: request.timeoutMs,
  expiresAt,
  ...UNTOUCHED_JOB,
  runAt,
  tags: tagsIn(batch, request),
  originJobId,
});
