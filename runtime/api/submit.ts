/**
 * Accepting jobs: parameters to where they belong, the row, the bell, in this order. What a caller has an id for is in
 * the table; nothing is half accepted.
 */
import { bellMessageId, bellOf } from "../core/bell.ts";
import { ConflictError, InvalidRequestError, InvariantError, NotFoundError } from "../core/errors.ts";
import { defaultBatchId, LARGE_BATCH_SHARD_COUNT, parseBatchId, type IdSource } from "../core/ids.ts";
import type { Batch, Job } from "../core/job.ts";
import { PARAMETERS_INLINE_MAX_BYTES, PARAMETERS_MAX_BYTES } from "../core/limits.ts";
import type { BatchStore, JobFiles, JobStore, OutgoingBell } from "../core/ports.ts";
import { DEFAULT_PRIORITY, PRIORITIES, type Priority } from "../core/priority.ts";
import type { CreateBatchBody, JobRequestBody } from "../core/requests.ts";
import { DEFAULT_POOL, jobQueueName } from "../core/topology.ts";
import type { Caller } from "./caller.ts";
import type { Ringer } from "./ringer.ts";

export interface SubmitDeps {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly files: Pick<JobFiles, "putParameters">;
  readonly ringer: Ringer;
  readonly ids: IdSource;
  readonly now: () => Date;
}

type Inserted = OutgoingBell & { readonly priority: Priority };

/** A request that can be accepted. */
export interface PreparedJob {
  readonly request: JobRequestBody;
  readonly parametersJson: string;
}

/** Rows written at the same time: a few full transactions, so that one large request does not shut out the others. */
const SUBMIT_CHUNK = 500;

export interface Submitter {
  createBatch(caller: Caller, body: CreateBatchBody): Promise<Batch>;
  /** The open batch of this id. Throws BatchNotFound, BatchClosed. */
  openBatch(caller: Caller, batchId: string): Promise<Batch>;
  /** The tenant's batch for jobs that name none. */
  dailyBatch(caller: Caller, tenantName: string): Promise<Batch>;
  /** Judges a request without doing anything yet. Throws InvalidRequestError. */
  prepare(batch: Batch, request: JobRequestBody): PreparedJob;
  /** Inserts and rings; resolves to the ids, in the order given. */
  submit(caller: Caller, batch: Batch, prepared: readonly PreparedJob[]): Promise<readonly string[]>;
}

export function createSubmitter({ jobs, batches, files, ringer, ids, now }: SubmitDeps): Submitter {
  function newBatch(caller: Caller, batchId: string, fields: CreateBatchBody): Promise<Batch> {
    const { tenantName, batchName } = fields;
    assertTenant(caller, tenantName);
    return batches.create({
      batchId,
      tenantName,
      batchName,
      priority: fields.priority ?? DEFAULT_PRIORITY,
      pool: fields.pool ?? DEFAULT_POOL,
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

  async function insert(
    caller: Caller,
    batch: Batch,
    { request, parametersJson: json }: PreparedJob,
  ): Promise<Inserted> {
    const inline = Buffer.byteLength(json) <= PARAMETERS_INLINE_MAX_BYTES;
    const job = newJob(batch, request, {
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
    return {
      bell: bellOf(stored.value, stored.etag),
      messageId: bellMessageId(job.jobId, stored.value.ring),
      priority: job.priority,
    };
  }

  return {
    createBatch: (caller, body) => newBatch(caller, ids.batchId(body.tenantName), body),
    async openBatch(caller, batchId) {
      const tenantName = parseBatchId(batchId)?.tenantName;
      const known = tenantName !== undefined && caller.mayUse(tenantName);
      const batch = known ? await batches.get(batchId) : undefined;
      if (batch === undefined) throw new NotFoundError("BatchNotFound", `There is no batch ${batchId}.`);
      if (batch.value.state !== "open")
        throw new ConflictError("BatchClosed", `Batch ${batchId} accepts no more jobs.`);
      return batch.value;
    },
    async dailyBatch(caller, tenantName) {
      assertTenant(caller, tenantName);
      const batchId = defaultBatchId(tenantName, now().getTime());
      const existing = await batches.get(batchId);
      const batchName = `Jobs of ${now().toISOString().slice(0, 10)}`;
      return existing?.value ?? newBatch(caller, batchId, { tenantName, batchName, large: true });
    },
    prepare(batch, request) {
      assertSameTenant(batch, request);
      return { request, parametersJson: parametersJson(request.parameters) };
    },
    async submit(caller, batch, prepared) {
      ringer.assertReady();
      const jobIds: string[] = [];
      for (let i = 0; i < prepared.length; i += SUBMIT_CHUNK) {
        const chunk = prepared.slice(i, i + SUBMIT_CHUNK);
        const bells = await Promise.all(chunk.map((job) => insert(caller, batch, job)));
        await ringAll(batch.pool, bells);
        jobIds.push(...bells.map(({ bell }) => bell.jobId));
      }
      return jobIds;
    },
  };

  async function ringAll(pool: string, bells: readonly Inserted[]): Promise<void> {
    await Promise.all(
      PRIORITIES.map((priority) => {
        const ofPriority = bells.filter((bell) => bell.priority === priority);
        return ringer.ring(jobQueueName(pool, priority), ofPriority);
      }),
    );
  }
}

function assertTenant(caller: Caller, tenantName: string): void {
  if (!caller.mayUse(tenantName)) {
    throw new NotFoundError("BatchNotFound", `There is no tenant ${tenantName} for this caller.`);
  }
}

function assertSameTenant(batch: Batch, request: JobRequestBody): void {
  if (request.tenantName === batch.tenantName) return;
  const message = `is not the tenant of batch ${batch.batchId}`;
  throw new InvalidRequestError("InvalidRequest", `tenantName: ${message}`, {
    details: [{ target: "tenantName", message }],
  });
}

function parametersJson(parameters: unknown): string {
  const json = JSON.stringify(parameters ?? null);
  if (Buffer.byteLength(json) > PARAMETERS_MAX_BYTES) {
    const message = `must be at most ${PARAMETERS_MAX_BYTES} bytes as JSON`;
    throw new InvalidRequestError("PayloadTooLarge", `parameters: ${message}`, {
      details: [{ target: "parameters", message }],
    });
  }
  return json;
}

type SubmittedFields = Pick<Job, "jobId" | "parameters" | "submittedAt" | "submittedBy">;

/** A job as it is when nothing has happened to it yet. */
const newJob = (batch: Batch, request: JobRequestBody, submitted: SubmittedFields): Job => ({
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
  expiresAt: undefined,
  state: "queued",
  ring: 1,
  attempts: 0,
  interruptions: 0,
  executions: 0,
  claim: undefined,
  cancelWanted: false,
  reopen: false,
  runAt: undefined,
  startedAt: undefined,
  endedAt: undefined,
  progress: undefined,
  output: undefined,
  artifactCount: 0,
  failure: undefined,
  packageHash: undefined,
  history: [],
});
