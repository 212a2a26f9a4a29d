/**
 * Decides when a batch is complete, and undoes the decision when one of its jobs runs again. API, worker and sweeper share
 * it. The rules are in core/job/completion.ts; this file reads and writes.
 */
import { UnavailableError } from "../core/errors.ts";
import {
  completedChanges,
  isComplete,
  isUndecided,
  provesCompletion,
  reopenedChanges,
} from "../core/job/completion.ts";
import { openOf } from "../core/job/states.ts";
import { joinCalls } from "../core/join-calls.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { JobEvents } from "./job-events.ts";
import type { Clock } from "../core/clock.ts";

export interface BatchCompletion {
  /**
   * To be called after a job has ended, or was found ended, and before its message is settled: completes the batch if
   * this was its last one. Throws UnavailableError.
   */
  afterJobEnded(batchId: string): Promise<void>;
  /**
   * To be called after a job has returned to queued by a requeue, and before its bell is sent: the batch is no longer
   * complete, and no completion under way can pass over the job. Throws UnavailableError.
   */
  reopenBatch(batchId: string): Promise<void>;
}

/** For a process in which jobs run. */
export interface RunningCompletion extends BatchCompletion {
  /** To be called when a job has been claimed and is about to run. */
  jobStarted(batchId: string): RunningJob;
}

/** A job that runs in this process. To be disposed of when its attempt is over, however it went. */
export interface RunningJob extends AsyncDisposable {
  /** As `afterJobEnded`, but another job of the batch that still runs here may ask later, for both (R12). */
  ended(): Promise<void>;
}

export interface BatchCompletionDeps {
  readonly batches: Pick<BatchStore, "get" | "update">;
  readonly jobs: Pick<JobStore, "snapshot">;
  readonly events: JobEvents;
  readonly now: Clock["now"];
}

/** Giving up after these is safe: each conflict is another writer, which checks completion too. The sweeper checks last. */
const COMPLETE_TRIES = 8;
/** A reopening must not give up. Each refusal is another write of the same row, so this many mean an outage. */
const REOPEN_TRIES = 100;

export function createBatchCompletion({ batches, jobs, events, now }: BatchCompletionDeps): RunningCompletion {
  async function completeIfEnded(batchId: string): Promise<void> {
    for (let tries = 0; tries < COMPLETE_TRIES; tries++) {
      // The batch first: a requeue after this moment moves its version, however the sums turn out (R12).
      const batch = await batches.get(batchId);
      if (batch === undefined) return;
      if (!isUndecided(batch.value)) {
        // The process that completed it may have died before it sent the event. The broker drops a second one.
        const { completedAt } = batch.value;
        if (isComplete(batch.value) && completedAt !== undefined) events.batchCompleted(batch.value, completedAt);
        return;
      }
      const first = await jobs.snapshot(batch.value);
      // The end of the last open job leads here again.
      if (openOf(first.counts) > 0) return;
      const second = await jobs.snapshot(batch.value);
      if (!provesCompletion(first, second)) continue;
      const completedAt = now();
      const changes = completedChanges(batch.value, second.counts, completedAt);
      const result = await batches.update(batchId, batch.etag, changes);
      if (!result.written) continue;
      events.batchCompleted(batch.value, completedAt);
      return;
    }
  }

  // Jobs of one batch end together. R12 needs a check that begins after the job has ended; it may be shared.
  const afterJobEnded = joinCalls(completeIfEnded);
  return {
    afterJobEnded,
    jobStarted: shareQuestions(afterJobEnded),

    async reopenBatch(batchId) {
      let batch = await batches.get(batchId);
      for (let tries = 0; tries < REOPEN_TRIES; tries++) {
        if (batch === undefined) return;
        const result = await batches.update(batchId, batch.etag, reopenedChanges(batch.value));
        if (result.written) return;
        batch = result.current;
      }
      throw new UnavailableError("StorageUnavailable", `Batch ${batchId} could not be reopened.`);
    },
  };
}

interface Group {
  /** Jobs of the batch that run here and have not asked. */
  running: number;
  /** One that has ended left the question to these. */
  left: boolean;
}

/**
 * Of the jobs of a batch that run here at the same time, the last one to end asks for all. As long as it runs, the batch
 * is not complete, and should this process die, then its message comes again and its next holder asks.
 */
function shareQuestions(ask: (batchId: string) => Promise<void>): RunningCompletion["jobStarted"] {
  const groups = new Map<string, Group>();
  return (batchId) => {
    const group = groups.get(batchId) ?? { running: 0, left: false };
    groups.set(batchId, group);
    group.running += 1;
    let asks: boolean | undefined;
    /** Decides once, so that a repeated call asks again. */
    function leave(hasEnded: boolean): boolean {
      if (asks !== undefined) return asks;
      group.running -= 1;
      group.left ||= hasEnded;
      if (group.running === 0) groups.delete(batchId);
      asks = group.running === 0 && group.left;
      return asks;
    }
    return {
      async ended() {
        if (leave(true)) await ask(batchId);
      },
      async [Symbol.asyncDispose]() {
        // It may have been taken over, and asked for by its next holder before the others ended.
        if (asks === undefined && leave(false)) await ask(batchId);
      },
    };
  };
}
