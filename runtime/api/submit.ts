/**
 * Accepting jobs: parameters to where they belong, the row, the bell, in this order. What a caller has an id for is in
 * the table; nothing is half accepted.
 */
import { ConflictError, invalidField, InvariantError, NotFoundError } from "../core/errors.ts";
import { defaultBatchId, LARGE_BATCH_SHARD_COUNT, type IdSource } from "../core/ids.ts";
import type { Batch, Job } from "../core/job.ts";
import { PARAMETERS_INLINE_MAX_BYTES, PARAMETERS_MAX_BYTES, START_AHEAD_MAX_MS } from "../core/limits.ts";
import type { BatchStore, JobFiles, JobStore, Stored } from "../core/ports.ts";
import { DEFAULT_PRIORITY } from "../core/priority.ts";
import type { CreateBatchBody, JobRequestBody } from "../core/requests.ts";
import { DEFAULT_POOL, jobQueueName } from "../core/topology.ts";
import type { BatchCompletion } from "../jobs/batch-completion.ts";
import { cancelJob, type CancelDeps } from "../jobs/cancel-job.ts";
import { outgoingBell } from "../jobs/outgoing-bell.ts";
import type { Caller } from "./caller.ts";
import type { Lookup } from "./lookup.ts";
import type { Ringer } from "./ringer.ts";

export interface SubmitDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "insert" | "update">;
  readonly batches: Pick<BatchStore, "create" | "get">;
  readonly lookup: Lookup;
  readonly completion: BatchCompletion;
  readonly files: Pick<JobFiles, "putParameters">;
  readonly ringer: Ringer;
  readonly ids: IdSource;
  /** The worker pools there are: a batch for another one would wait for ever. */
  readonly pools: readonly string[];
}

/** A request that can be accepted. */
export interface PreparedJob {
  readonly request: JobRequestBody;
  readonly parametersJson: string;
  readonly runAt: Date | undefined;
  readonly expiresAt: Date | undefined;
}

/** Rows written at the same time: a few full transactions, so that one large request does not shut out the others. */
const SUBMIT_CHUNK = 500;

export interface Submitter {
  createBatch(caller: Caller, body: CreateBatchBody): Promise<Batch>;
  /** The open batch of this id. Throws BatchNotFound, BatchClosed. */
  openBatch(caller: Caller, batchId: string): Promise<Batch>;
  /** The tenant's batch for jobs that name none. Throws BatchClosed. */
  dailyBatch(caller: Caller, tenantName: string): Promise<Batch>;
  /** Judges a request without doing anything yet. Throws InvalidRequestError. */
  prepare(batch: Batch, request: JobRequestBody): PreparedJob;
  /** Inserts and rings; resolves to the ids, in the order given. */
  submit(caller: Caller, batch: Batch, prepared: readonly PreparedJob[]): Promise<readonly string[]>;
}

export function createSubmitter(deps: SubmitDeps): Submitter {
  const { jobs, batches, lookup, completion, files, ringer, ids, pools, now } = deps;

  async function newBatch(caller: Caller, batchId: string, fields: CreateBatchBody): Promise<Batch> {
    const { tenantName, batchName, pool = DEFAULT_POOL } = fields;
    assertTenant(caller, tenantName);
    if (!pools.includes(pool)) throw invalidField("pool", `is not one of the worker pools: ${pools.join(", ")}`);
    return batches.create({
      batchId,
      tenantName,
      batchName,
      priority: fields.priority ?? DEFAULT_PRIORITY,
      pool,
      state: "open",
      generation: 1,
      completedGeneration: 0,
      completedAt: undefined,
      atRest: false,
      shardCount: fields.large === true ? LARGE_BATCH_SHARD_COUNT : 1,
      createdAt: now(),
      createdBy: caller.name,
    });
  }

  async function insert(caller: Caller, batch: Batch, prepared: PreparedJob): Promise<Stored<Job>> {
    const { parametersJson: json } = prepared;
    const inline = Buffer.byteLength(json) <= PARAMETERS_INLINE_MAX_BYTES;
    const job = newJob(batch, prepared, {
      jobId: ids.jobId(batch.batchId, batch.shardCount),
      parameters: inline ? json : undefined,
      submittedAt: now(),
      submittedBy: caller.name,
    });
    // Before the row: a worker may start the job as soon as there is one.
    if (!inline) await files.putParameters(job.jobId, json);
    const result = await jobs.insert(job);
    const stored = result.written ? { value: job, etag: result.etag } : result.current;
    // The id is new: whatever lies under it is this very insert, whose answer was lost.
    if (stored === undefined) throw new InvariantError(`Row ${job.jobId} was refused and is not there.`);
    return stored;
  }

  /**
   * The batch may have been closed, canceled or put to rest after it was read and before the jobs were in it. They came
   * first, then: whoever decides about the batch must not pass over them, and a cancel must reach them.
   */
  async function catchUp(batchId: string, inserted: readonly Stored<Job>[]): Promise<void> {
    const batch = (await batches.get(batchId))?.value;
    if (batch === undefined || (batch.state === "open" && !batch.atRest)) return;
    await completion.reopenBatch(batchId);
    if (batch.state !== "canceled") return;
    await Promise.all(inserted.map((job) => cancelJob(job, deps)));
    await completion.askBatch(batchId);
  }

  return {
    createBatch: (caller, body) => newBatch(caller, ids.batchId(body.tenantName), body),
    async openBatch(caller, batchId) {
      const { value: batch } = await lookup.batch(caller, batchId);
      return assertOpen(batch);
    },
    async dailyBatch(caller, tenantName) {
      assertTenant(caller, tenantName);
      const batchId = defaultBatchId(tenantName, now().getTime());
      const existing = await batches.get(batchId);
      const batchName = `Jobs of ${now().toISOString().slice(0, 10)}`;
      return assertOpen(existing?.value ?? (await newBatch(caller, batchId, { tenantName, batchName, large: true })));
    },
    prepare(batch, request) {
      assertSameTenant(batch, request);
      return { request, parametersJson: parametersJson(request.parameters), ...times(request, now()) };
    },
    async submit(caller, batch, prepared) {
      ringer.assertReady();
      // Before the rows: the sweeper passes over a batch at rest, and may have to find them.
      if (batch.atRest) await completion.reopenBatch(batch.batchId);
      const jobIds: string[] = [];
      for (let i = 0; i < prepared.length; i += SUBMIT_CHUNK) {
        const chunk = prepared.slice(i, i + SUBMIT_CHUNK);
        const inserted = await Promise.all(chunk.map((job) => insert(caller, batch, job)));
        await catchUp(batch.batchId, inserted);
        await ringAll(inserted);
        jobIds.push(...inserted.map(({ value }) => value.jobId));
      }
      return jobIds;
    },
  };

  async function ringAll(inserted: readonly Stored<Job>[]): Promise<void> {
    const queues = Map.groupBy(inserted, ({ value }) => jobQueueName(value.pool, value.priority));
    await Promise.all([...queues].map(([queueName, rows]) => ringer.ring(queueName, rows.map(outgoingBell))));
  }
}

function assertOpen(batch: Batch): Batch {
  if (batch.state === "open") return batch;
  throw new ConflictError("BatchClosed", `Batch ${batch.batchId} accepts no more jobs.`);
}

function assertTenant(caller: Caller, tenantName: string): void {
  if (!caller.mayUse(tenantName)) {
    throw new NotFoundError("BatchNotFound", `There is no tenant ${tenantName} for this caller.`);
  }
}

function assertSameTenant(batch: Batch, request: JobRequestBody): void {
  if (request.tenantName === batch.tenantName) return;
  throw invalidField("tenantName", `is not the tenant of batch ${batch.batchId}`);
}

/** When the job may start, and by when it must. */
function times(
  { runAt: given, delayMs, timeToLiveMs }: JobRequestBody,
  now: Date,
): Pick<PreparedJob, "runAt" | "expiresAt"> {
  const startAt = given ?? new Date(now.getTime() + (delayMs ?? 0));
  if (startAt.getTime() - now.getTime() > START_AHEAD_MAX_MS) {
    throw invalidField("runAt", `must be at most ${START_AHEAD_MAX_MS / DAY_MS} days ahead`);
  }
  const isAhead = startAt.getTime() > now.getTime();
  const waitsFrom = isAhead ? startAt : now;
  return {
    runAt: isAhead ? startAt : undefined,
    expiresAt: timeToLiveMs === undefined ? undefined : new Date(waitsFrom.getTime() + timeToLiveMs),
  };
}

const DAY_MS = 24 * 60 * 60_000;

function parametersJson(parameters: unknown): string {
  const json = JSON.stringify(parameters ?? null);
  if (Buffer.byteLength(json) > PARAMETERS_MAX_BYTES) {
    throw invalidField("parameters", `must be at most ${PARAMETERS_MAX_BYTES} bytes as JSON`, "PayloadTooLarge");
  }
  return json;
}

type SubmittedFields = Pick<Job, "jobId" | "parameters" | "submittedAt" | "submittedBy">;

/** A job as it is when nothing has happened to it yet. */
const newJob = (batch: Batch, { request, runAt, expiresAt }: PreparedJob, submitted: SubmittedFields): Job => ({
  ...submitted,
  batchId: batch.batchId,
  tenantName: batch.tenantName,
  jobType: request.jobType,
  jobName: request.jobName,
  jobProcessorPackageName: request.jobProcessorPackageName,
  priority: request.priority ?? batch.priority,
  pool: batch.pool,
  retry: request.retry ?? {},
  timeoutMs: request.timeoutMs,
  expiresAt,
  state: "queued",
  ring: 1,
  attempts: 0,
  interruptions: 0,
  executions: 0,
  claim: undefined,
  cancelWanted: false,
  reopen: false,
  runAt,
  startedAt: undefined,
  endedAt: undefined,
  progress: undefined,
  output: undefined,
  artifactCount: 0,
  failure: undefined,
  packageHash: undefined,
  history: [],
});
