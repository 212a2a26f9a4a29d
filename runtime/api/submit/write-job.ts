/**
 * Writes one job (step 1 of the protocol): large parameters, the row, the bell, in this order. If an earlier request may
 * have written the job, its row is read first, and only what is missing is written.
 */
import { jobQueueName } from "../../core/deployment/topology.ts";
import { InvariantError } from "../../core/errors.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Batch, Job } from "../../core/job/job.ts";
import { PARAMETERS_INLINE_MAX_BYTES } from "../../core/limits.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import { outgoingBell } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import { type CancelDeps, cancelJob } from "../../lifecycle/cancel-job.ts";
import type { UniqueJobs } from "../../lifecycle/unique-jobs.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { traceparentOf } from "../../telemetry/trace.ts";
import { jobLogFields } from "../../core/logger.ts";
import { addLogFields } from "../../platform/log-context.ts";
import type { Caller } from "../auth/caller.ts";
import { currentRequestId } from "../http/request-ids.ts";
import type { BellOutbox } from "./bell-outbox.ts";
import { batchClosed } from "./find-batch.ts";
import { type PreparedJob, newJob } from "./prepare-job.ts";
import type { Reservation } from "./reservations.ts";

export interface JobWriterDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "get" | "insert" | "update">;
  readonly batches: Pick<BatchStore, "get">;
  readonly completion: BatchCompletion;
  readonly files: Pick<JobFiles, "putParameters">;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
  readonly unique: UniqueJobs;
}

export interface JobToWrite {
  readonly prepared: PreparedJob;
  /** Open when it was read. If an earlier request had the job's keys, the job's id names its batch instead. */
  readonly batch: Batch;
  readonly reservation: Reservation;
}

export interface SubmittedJob {
  readonly jobId: string;
  readonly batchId: string;
  /** It was there before this request. */
  readonly replayed: boolean;
}

/** A job's row, inserted or found. */
export interface JobRow {
  readonly stored: Stored<Job>;
  readonly replayed: boolean;
}

export interface JobWriter {
  /** Refuses new work while too many bells wait for the broker. Throws UnavailableError. */
  assertReady(): void;
  /** All steps for one job. Throws ConflictError "BatchClosed", UnavailableError. */
  write(caller: Caller, job: JobToWrite): Promise<SubmittedJob>;
  /** The first step. Calls `wake` before a row is inserted. */
  writeRow(caller: Caller, job: JobToWrite, wake: (batch: Batch) => Promise<void>): Promise<JobRow>;
  /** The second step, for rows of one batch. */
  sendBells(batchId: string, rows: readonly JobRow[]): Promise<void>;
  /** The sweeper passes over a batch at rest, but must find the row that is about to be written. */
  wakeBatch(batch: Batch): Promise<void>;
}

export function createJobWriter(deps: JobWriterDeps): JobWriter {
  const { jobs, batches, completion, files, outbox, events, unique, now } = deps;

  async function insert(caller: Caller, batch: Batch, { prepared, reservation }: JobToWrite): Promise<JobRow> {
    const { parametersJson: json } = prepared;
    const inline = Buffer.byteLength(json) <= PARAMETERS_INLINE_MAX_BYTES;
    const jobId = reservation.id;
    const parameters = inline ? json : undefined;
    const submitted = {
      jobId,
      parameters,
      submittedAt: now(),
      submittedBy: caller.name,
      requestId: currentRequestId(),
      trace: traceparentOf(),
    };
    const job = newJob(batch, prepared, submitted);
    // Before the row: a worker may start the job as soon as there is one.
    if (!inline) await files.putParameters(jobId, json);
    const result = await jobs.insert(job);
    if (result.written) {
      events.queued(job);
      events.measures.submitted(job);
      return { stored: { value: job, etag: result.etag }, replayed: false };
    }
    if (result.current === undefined) throw new InvariantError(`Row ${jobId} was refused and is not there.`);
    // For the first with this id, the row is from this very insert, whose answer was lost. Else a repeat was faster.
    if (reservation.isFirst) {
      events.queued(job);
      events.measures.submitted(job);
    }
    return { stored: result.current, replayed: !reservation.isFirst };
  }

  async function writeRow(caller: Caller, job: JobToWrite, wake: (batch: Batch) => Promise<void>): Promise<JobRow> {
    if (job.reservation.isFirst) return insertUnique(caller, job.batch, job, wake);
    const jobId = job.reservation.id;
    const stored = await jobs.get(jobId);
    // An earlier try may have stopped before it placed the hold on a unique key.
    if (stored !== undefined) return placed({ stored, replayed: true }, job);
    // The batch that the first request meant: the batch of its day, which may be yesterday's.
    const batch = (await batches.get(jobIdParts(jobId).batchId))?.value;
    if (batch === undefined) throw new InvariantError(`Job ${jobId} was reserved in a batch that is not there.`);
    if (batch.state !== "open") throw batchClosed(batch);
    return insertUnique(caller, batch, job, wake);
  }

  /** Inserts the row, between the two steps that keep a unique key (R40, R43). */
  async function insertUnique(
    caller: Caller,
    batch: Batch,
    job: JobToWrite,
    wake: (batch: Batch) => Promise<void>,
  ): Promise<JobRow> {
    const { request } = job.prepared;
    if (request.unique !== undefined) {
      const { key: uniqueKey, onConflict } = request.unique;
      const holder = await unique.hold({ ...request, uniqueKey }, job.reservation.id, onConflict);
      if (holder !== undefined) return { stored: holder, replayed: true };
    }
    await wake(batch);
    return placed(await insert(caller, batch, job), job);
  }

  async function placed(row: JobRow, { prepared: { request } }: JobToWrite): Promise<JobRow> {
    const { stored } = row;
    if (request.unique === undefined || stored.value.state !== "queued" || (await unique.place(stored))) return row;
    // Another submit took the key, because this one was so slow that it seemed dead.
    const { key: uniqueKey, onConflict } = request.unique;
    const holder =
      onConflict === "replace" ? undefined : await unique.hold({ ...request, uniqueKey }, undefined, onConflict);
    if (holder !== undefined) return { stored: holder, replayed: true };
    return { stored: (await jobs.get(stored.value.jobId)) ?? stored, replayed: row.replayed };
  }

  /**
   * The batch may have been closed, canceled or put to rest after it was read and before the rows were in it. The rows
   * count as earlier: a decision about the batch must include them, and a cancel must reach them.
   */
  async function catchUp(batchId: string, rows: readonly JobRow[]): Promise<void> {
    const batch = (await batches.get(batchId))?.value;
    if (batch === undefined || (batch.state === "open" && !batch.atRest)) return;
    const late = (await Promise.all(rows.map(asItIsNow))).filter((stored) => stored !== undefined);
    if (late.length === 0) return;
    await completion.reopenBatch(batchId);
    if (batch.state !== "canceled") return;
    await Promise.all(late.map((job) => cancelJob(job, deps)));
    await completion.afterJobEnded(batchId);
  }

  /** A job that was found queued may have ended since, and its batch with it. Then it is not late. */
  async function asItIsNow({ stored, replayed }: JobRow): Promise<Stored<Job> | undefined> {
    if (!replayed) return stored;
    const current = await jobs.get(stored.value.jobId);
    return current?.value.state === "queued" ? current : undefined;
  }

  async function sendBells(batchId: string, rows: readonly JobRow[]): Promise<void> {
    // A row that has moved on had its bell. A queued one may have none: its first submit may have stopped here.
    const queued = rows.filter(({ stored }) => stored.value.state === "queued");
    if (queued.length === 0) return;
    await catchUp(batchId, queued);
    const bells = Map.groupBy(queued, ({ stored: { value } }) => jobQueueName(value.pool, value.priority));
    const sending = [...bells].map(([queueName, some]) =>
      outbox.send(
        queueName,
        some.map(({ stored }) => outgoingBell(stored)),
      ),
    );
    await Promise.all(sending);
  }

  async function wakeBatch(batch: Batch): Promise<void> {
    if (batch.atRest) await completion.reopenBatch(batch.batchId);
  }

  return {
    assertReady: () => outbox.assertReady(),
    async write(caller, job) {
      const row = await writeRow(caller, job, wakeBatch);
      const { jobId, batchId } = row.stored.value;
      addLogFields(jobLogFields(jobId));
      await sendBells(batchId, [row]);
      return { jobId, batchId, replayed: row.replayed };
    },
    writeRow,
    sendBells,
    wakeBatch,
  };
}
