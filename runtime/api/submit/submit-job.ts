/**
 * Submits one job: finds its batch, checks that its package can run it, finds its id by the keys of the request, and writes
 * it. Nothing is kept when a step fails; a repeat of the request goes on from the rows.
 */
import { type JobSystemError, invalidField } from "../../core/errors.ts";
import type { JobRequestBody } from "../../core/http/requests.ts";
import type { IdSource } from "../../core/job/ids.ts";
import type { Batch } from "../../core/job/job.ts";
import type { Caller } from "../auth/caller.ts";
import { type FindBatch, batchClosed } from "./find-batch.ts";
import type { KnownJobs, RefusalOf } from "./known-jobs.ts";
import { type Reservation, type ReservationWish, type Reservations, requestHash } from "./reservations.ts";
import { type PreparedJob, assertTags, prepareJob } from "./prepare-job.ts";
import { limitKeysOf } from "../../core/admission/limit.ts";
import type { JobWriter, SubmittedJob } from "./write-job.ts";
import type { Clock } from "../../core/clock.ts";

export interface SubmitDeps {
  readonly findBatch: Pick<FindBatch, "named" | "daily">;
  readonly reservations: Reservations;
  readonly writer: JobWriter;
  readonly knownJobs: KnownJobs;
  readonly ids: Pick<IdSource, "jobId">;
  readonly now: Clock["now"];
}

export interface SubmitRequest {
  readonly job: JobRequestBody;
  /** Default: the tenant's batch of the day. */
  readonly batchId: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** The job that is submitted again as this one. */
  readonly originJobId?: string;
  /** Its place in a request of many, for messages: `jobs[3]`. */
  readonly at?: string;
}

/** Throws the caller's errors, and UnavailableError: the job may then have been accepted. */
export type SubmitJob = (caller: Caller, request: SubmitRequest) => Promise<SubmittedJob>;

export function createSubmitJob(deps: SubmitDeps): SubmitJob {
  const { findBatch, reservations, writer, knownJobs, ids, now } = deps;

  async function reserve(placed: PlacedJob): Promise<Reservation> {
    const { request, batch, refusal } = placed;
    if (!hasKey(request)) {
      if (refusal !== undefined) throw refusal;
      return { id: freshIdOf(placed, ids), isFirst: true };
    }
    const wish = wishOf(placed, ids);
    if (refusal === undefined) return reservations.reserveOne(batch.tenantName, wish);
    // A refused job takes no key. It may only find one that is there.
    const found = await reservations.findOne(batch.tenantName, wish);
    if (found === undefined) throw refusal;
    return found;
  }

  return async (caller, request) => {
    writer.assertReady();
    const refusalOf = knownJobs.judge();
    const batch = await batchOf(findBatch, caller, request);
    const placed = await placeJob(request, batch, { refusalOf, knownJobs }, now());
    return writer.write(caller, { ...placed, reservation: await reserve(placed) });
  };
}

/** A request with the batch it goes to when it comes for the first time. */
export interface PlacedJob {
  readonly request: SubmitRequest;
  readonly prepared: PreparedJob;
  readonly batch: Batch;
  /** Why it is not accepted when it comes for the first time. A repeat still answers the first job. */
  readonly refusal: JobSystemError | undefined;
}

export const batchOf = (
  findBatch: SubmitDeps["findBatch"],
  caller: Caller,
  { job, batchId }: SubmitRequest,
): Promise<Batch> =>
  batchId === undefined ? findBatch.daily(caller, job.tenantName) : findBatch.named(caller, batchId);

/** Throws InvalidRequestError, UnavailableError. */
export async function placeJob(
  request: SubmitRequest,
  batch: Batch,
  { refusalOf, knownJobs }: { readonly refusalOf: RefusalOf; readonly knownJobs: Pick<KnownJobs, "limitsOf"> },
  now: Date,
): Promise<PlacedJob> {
  const { job, at } = request;
  if (job.tenantName !== batch.tenantName) {
    throw invalidField("tenantName", `is not the tenant of batch ${batch.batchId}`);
  }
  assertTags(batch, job);
  const prepared = { ...prepareJob(job, now), originJobId: request.originJobId };
  // Only now: a caller who may not use the tenant must not learn of its packages.
  const parameters = { bytes: prepared.parametersJson.length, at: `${at === undefined ? "" : `${at}.`}parameters` };
  const refusal = batch.state === "open" ? await refusalOf(job, parameters) : batchClosed(batch);
  if (refusal !== undefined) return { request, batch, prepared, refusal };
  const limits = await knownJobs.limitsOf(job);
  const isInVain = job.concurrencyKey !== undefined && limits?.concurrency === undefined && job.publishLater !== true;
  return {
    request,
    batch,
    prepared: { ...prepared, limitKeys: limitKeysOf(limits, job.concurrencyKey, job.parameters) },
    refusal: isInVain ? keyInVain(request) : undefined,
  };
}

const keyInVain = ({ job, at }: SubmitRequest): JobSystemError =>
  invalidField(
    `${at === undefined ? "" : `${at}.`}concurrencyKey`,
    `has no effect: job type ${JSON.stringify(job.jobType)} declares no limits.concurrency in its package`,
  );

export const hasKey = ({ job, idempotencyKey }: SubmitRequest): boolean =>
  idempotencyKey !== undefined || job.clientJobId !== undefined;

/** Ids order the jobs of a batch, so each is made when all requests before it have theirs. */
export const freshIdOf = ({ batch }: PlacedJob, ids: SubmitDeps["ids"]): string =>
  ids.jobId(batch.batchId, batch.shardCount);

export const wishOf = (placed: PlacedJob, ids: SubmitDeps["ids"]): ReservationWish => {
  const { job, batchId, idempotencyKey } = placed.request;
  return {
    freshId: freshIdOf(placed, ids),
    requestHash: requestHash("job", { ...job, batchId }),
    idempotencyKey,
    clientJobId: job.clientJobId,
  };
};
