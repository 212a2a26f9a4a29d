/**
 * The write side of a submit (step 1 of the protocol): parameters to where they belong, the row, the bell, in this order.
 * A job that may be there already, because its request came before, is looked for first and completed where it is not.
 */
import { jobQueueName } from "../../core/deployment/topology.ts";
import { ConflictError, InvariantError } from "../../core/errors.ts";
import { outgoingBell } from "../../core/ports/job-queue.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Batch, Job } from "../../core/job/job.ts";
import { PARAMETERS_INLINE_MAX_BYTES } from "../../core/limits.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import { type CancelDeps, cancelJob } from "../../lifecycle/cancel-job.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { Caller } from "../auth/caller.ts";
import type { BellOutbox } from "./bell-outbox.ts";
import { type PreparedJob, newJob } from "./prepare-job.ts";
import type { Reservation } from "./reservations.ts";

export interface AcceptDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "get" | "insert" | "update">;
  readonly batches: Pick<BatchStore, "get">;
  readonly completion: BatchCompletion;
  readonly files: Pick<JobFiles, "putParameters">;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
}

export interface JobToAccept {
  readonly prepared: PreparedJob;
  /** Open when it was read. Of a job whose request came before, the id says the batch. */
  readonly batch: Batch;
  readonly reservation: Reservation;
}

export interface AcceptedJob {
  readonly jobId: string;
  readonly batchId: string;
  /** It was there before this request. */
  readonly replayed: boolean;
}

export interface Acceptance {
  /** Refuses new work while too much of the old waits for the broker. Throws UnavailableError. */
  assertReady(): void;
  /**
   * What became of each, in the order given: it is accepted, or it failed with a ConflictError (BatchClosed) or with
   * what kept its row from being written. One that fails does not stop the others.
   */
  accept(caller: Caller, jobs: readonly JobToAccept[]): Promise<readonly Outcome<AcceptedJob>[]>;
}

/** A job's row, inserted or found. */
interface Row {
  readonly stored: Stored<Job>;
  readonly replayed: boolean;
}

export function createAcceptance(deps: AcceptDeps): Acceptance {
  const { jobs, batches, completion, files, outbox, events, now } = deps;

  async function insert(caller: Caller, batch: Batch, { prepared, reservation }: JobToAccept): Promise<Row> {
    const { parametersJson: json } = prepared;
    const inline = Buffer.byteLength(json) <= PARAMETERS_INLINE_MAX_BYTES;
    const jobId = reservation.id;
    const parameters = inline ? json : undefined;
    const job = newJob(batch, prepared, { jobId, parameters, submittedAt: now(), submittedBy: caller.name });
    // Before the row: a worker may start the job as soon as there is one.
    if (!inline) await files.putParameters(jobId, json);
    const result = await jobs.insert(job);
    if (result.written) {
      events.queued(job);
      return { stored: { value: job, etag: result.etag }, replayed: false };
    }
    if (result.current === undefined) throw new InvariantError(`Row ${jobId} was refused and is not there.`);
    // Of the first with this id it is this very insert, whose answer was lost; else a repeat of the request was faster.
    if (reservation.isFirst) events.queued(job);
    return { stored: result.current, replayed: !reservation.isFirst };
  }

  /** `wake`: called before a row is written, because the sweeper passes over a batch at rest, and may have to find it. */
  async function settle(caller: Caller, job: JobToAccept, wake: (batch: Batch) => Promise<void>): Promise<Row> {
    if (job.reservation.isFirst) {
      await wake(job.batch);
      return insert(caller, job.batch, job);
    }
    const jobId = job.reservation.id;
    const stored = await jobs.get(jobId);
    if (stored !== undefined) return { stored, replayed: true };
    // The batch the job was meant for when the request came first: that of its day, maybe of yesterday.
    const batch = (await batches.get(jobIdParts(jobId).batchId))?.value;
    if (batch === undefined) throw new InvariantError(`Job ${jobId} was reserved in a batch that is not there.`);
    if (batch.state !== "open") throw closed(batch);
    await wake(batch);
    return insert(caller, batch, job);
  }

  /**
   * The batch may have been closed, canceled or put to rest after it was read and before the jobs were in it. They came
   * first, then: whoever decides about the batch must not pass over them, and a cancel must reach them.
   */
  async function catchUp(batchId: string, rows: readonly Row[]): Promise<void> {
    const batch = (await batches.get(batchId))?.value;
    if (batch === undefined || (batch.state === "open" && !batch.atRest)) return;
    const late = (await Promise.all(rows.map(asItIsNow))).filter((stored) => stored !== undefined);
    if (late.length === 0) return;
    await completion.reopenBatch(batchId);
    if (batch.state !== "canceled") return;
    await Promise.all(late.map((job) => cancelJob(job, deps)));
    await completion.afterJobEnded(batchId);
  }

  /** A job found queued may have run to its end since, and its batch have been completed with it: nobody is late then. */
  async function asItIsNow({ stored, replayed }: Row): Promise<Stored<Job> | undefined> {
    if (!replayed) return stored;
    const current = await jobs.get(stored.value.jobId);
    return current?.value.state === "queued" ? current : undefined;
  }

  async function ringAll(rows: readonly Row[]): Promise<void> {
    const queues = Map.groupBy(rows, ({ stored: { value } }) => jobQueueName(value.pool, value.priority));
    await Promise.all(
      [...queues].map(([name, ofQueue]) =>
        outbox.send(
          name,
          ofQueue.map(({ stored }) => outgoingBell(stored)),
        ),
      ),
    );
  }

  return {
    assertReady: () => outbox.assertReady(),
    async accept(caller, all) {
      const woken = new Map<string, Promise<void>>();
      const wake = async (batch: Batch): Promise<void> => {
        if (!batch.atRest) return;
        const waking = woken.get(batch.batchId) ?? completion.reopenBatch(batch.batchId);
        woken.set(batch.batchId, waking);
        await waking;
      };
      const rows = await Promise.all(all.map((job) => outcomeOf(() => settle(caller, job, wake))));
      // A row that has moved on had its bell. One that waits may have none: its first submit may have died here.
      const queued = rows.flatMap((row) => (row.ok && row.value.stored.value.state === "queued" ? [row.value] : []));
      const failures = new Map<string, Outcome<never>>();
      const ringing = [...Map.groupBy(queued, ({ stored }) => stored.value.batchId)].map(async ([batchId, ofBatch]) => {
        try {
          await catchUp(batchId, ofBatch);
          await ringAll(ofBatch);
        } catch (error) {
          failures.set(batchId, failed(error));
        }
      });
      await Promise.all(ringing);
      return rows.map((row): Outcome<AcceptedJob> => {
        if (!row.ok) return row;
        const { stored, replayed } = row.value;
        const { jobId, batchId } = stored.value;
        return failures.get(batchId) ?? done({ jobId, batchId, replayed });
      });
    },
  };
}

export const closed = (batch: Batch): ConflictError =>
  new ConflictError("BatchClosed", `Batch ${batch.batchId} accepts no more jobs.`);

// What became of one item among many: each has its own, in the order of the request.

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

export const done = <T>(value: T): Outcome<T> => ({ ok: true, value });
export const failed = (error: unknown): Outcome<never> => ({ ok: false, error });

/** Never rejects. */
export async function outcomeOf<T>(step: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return done(await step());
  } catch (error) {
    return failed(error);
  }
}

/** Takes the next step with all that are well so far; what failed keeps its place. `step` answers in the order given. */
export async function onward<A, B>(
  outcomes: readonly Outcome<A>[],
  step: (values: readonly A[]) => Promise<readonly Outcome<B>[]>,
): Promise<readonly Outcome<B>[]> {
  const next = (await step(outcomes.flatMap((one) => (one.ok ? [one.value] : [])))).values();
  return outcomes.map((one) => (one.ok ? (next.next().value ?? failed(new Error("A step has lost an item."))) : one));
}
