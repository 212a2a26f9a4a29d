/**
 * Commands on a whole batch: close, cancel, requeue its jobs. Each can be repeated at any time and continues where an earlier
 * call stopped, because the rows say what is left to do.
 */
import { isComplete } from "../core/job/completion.ts";
import { UnavailableError } from "../core/errors.ts";
import type { Batch, BatchState, Job } from "../core/job/job.ts";
import { BATCH_COMMAND_MAX_MS } from "../core/limits.ts";
import type { BatchChanges, BatchStore } from "../core/ports/batch-store.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { JobState } from "../core/job/states.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import { cancelJob, type CancelDeps } from "../lifecycle/cancel-job.ts";
import type { JobEvents } from "../lifecycle/job-events.ts";
import { requeueJobs } from "../lifecycle/requeue-job.ts";
import { assertNotOfTimer } from "./lookup.ts";
import type { BellOutbox } from "./submit/bell-outbox.ts";

export interface BatchCommands {
  /** The batch accepts no more jobs. It is complete when the jobs it has have ended. Throws BatchOfTimer. */
  close(batch: Stored<Batch>): Promise<void>;
  /** Closes the batch and ends its jobs: queued ones now, running ones through their workers. Throws BatchOfTimer. */
  cancel(batch: Stored<Batch>): Promise<void>;
  /** Runs all jobs in that state again. */
  requeue(batch: Batch, state: "failed" | "canceled"): Promise<Requeued>;
}

export interface Requeued {
  readonly requeued: number;
  /** The time limit of one call ended before the batch did. */
  readonly more: boolean;
}

export interface BatchCommandDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "update" | "scan" | "counts">;
  readonly batches: Pick<BatchStore, "update">;
  readonly completion: BatchCompletion;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
}

/** Rows written at the same time: a few full transactions, so that one large batch does not shut out other callers. */
const CHUNK = 500;
/** The row of a batch is seldom written, so this many conflicts are an outage. */
const SEAL_TRIES = 100;

export function createBatchCommands(deps: BatchCommandDeps): BatchCommands {
  const { jobs, batches, completion, outbox, events, now } = deps;

  /** Moves the batch from open, or from closed to canceled. A complete batch does not change. */
  async function seal(stored: Stored<Batch>, state: Exclude<BatchState, "open">): Promise<void> {
    let current: Stored<Batch> | undefined = stored;
    for (let tries = 0; tries < SEAL_TRIES; tries++) {
      if (current === undefined || isSealed(current.value, state)) return;
      // Not at rest any more, so that the sweeper reads it until it is complete.
      const changes: BatchChanges = { state, atRest: false };
      const result = await batches.update(current.value.batchId, current.etag, changes);
      if (result.written) return;
      current = result.current;
    }
    throw new UnavailableError(
      "StorageUnavailable",
      `Batch ${stored.value.batchId} changed during every attempt to write it. Retry later.`,
    );
  }

  async function* chunks(batch: Batch, state: JobState, deadline: number): AsyncGenerator<readonly Stored<Job>[]> {
    let chunk: Stored<Job>[] = [];
    for await (const row of jobs.scan(batch, state)) {
      chunk.push(row);
      if (chunk.length < CHUNK) continue;
      if (isOver(deadline)) return;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }

  const deadlineOf = (): number => now().getTime() + BATCH_COMMAND_MAX_MS;
  const isOver = (deadline: number): boolean => now().getTime() > deadline;

  return {
    async close(batch) {
      assertNotOfTimer(batch.value);
      await seal(batch, "closed");
      await completion.afterJobEnded(batch.value.batchId);
    },

    async cancel(stored) {
      const { value: batch } = stored;
      assertNotOfTimer(batch);
      await seal(stored, "canceled");
      const deadline = deadlineOf();
      /** Claims whose workers have the request of this call. */
      const requested = new Set<string | undefined>();
      // One pass can miss a job that moves between queued and running, so passes repeat until one finds nothing.
      for (let found = true; found && !isOver(deadline);) {
        found = false;
        const counts = await jobs.counts(batch);
        for (const state of ["queued", "running"] as const) {
          if (counts[state] === 0) continue;
          for await (const rows of chunks(batch, state, deadline)) {
            const fresh = rows.filter(({ value }) => !(value.cancelWanted && requested.has(value.claim?.id)));
            const results = await Promise.all(fresh.map((row) => cancelJob(row, deps)));
            for (const result of results) if (result.outcome === "requested") requested.add(result.job.claim?.id);
            found ||= fresh.length > 0;
          }
        }
      }
      await completion.afterJobEnded(batch.batchId);
    },

    async requeue(batch, state) {
      const deadline = deadlineOf();
      let requeued = 0;
      for await (const rows of chunks(batch, state, deadline)) {
        outbox.assertReady();
        const results = await requeueJobs(rows, {
          jobs,
          completion,
          events,
          sendBells: (name, bells) => outbox.send(name, bells),
        });
        requeued += results.filter(({ outcome }) => outcome === "requeued").length;
      }
      return { requeued, more: isOver(deadline) };
    },
  };
}

const isSealed = (batch: Batch, as: BatchState): boolean =>
  batch.state === as || batch.state === "canceled" || isComplete(batch);
