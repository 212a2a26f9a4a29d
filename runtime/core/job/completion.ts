/**
 * When a batch is complete: decided once per generation, from the counters alone (R12, R13).
 *
 * Each process that ends a job, or finds one ended, asks. It reads the batch row, then sums the counters twice. If no
 * writer came between the sums, it completes the batch row on the version that it read first. A requeue, or a job that is
 * added late, writes the batch row before it counts, so that the decision cannot miss it.
 */
import type { Batch } from "./job.ts";
import { UNANNOUNCED_MAX_COUNT } from "../limits.ts";
import type { CounterSnapshot } from "../ports/job-store.ts";
import { openOf, type StateCounts } from "./states.ts";

/** Whether counting makes sense: no more jobs can come, and this generation is undecided. */
export const isUndecided = (batch: Pick<Batch, "state" | "generation" | "completedGeneration">): boolean =>
  batch.state !== "open" && batch.completedGeneration < batch.generation;

/** Whether this generation has been decided: all its jobs had ended. */
export const isComplete = (batch: Pick<Batch, "generation" | "completedGeneration">): boolean =>
  batch.completedGeneration === batch.generation;

type Summed = Pick<CounterSnapshot, "counts" | "version">;

/** Whether two sums, one after the other, prove that every job has ended. */
export const provesCompletion = (first: Summed, second: Summed): boolean =>
  first.version === second.version && openOf(second.counts) === 0;

/**
 * What is written to complete a batch. The same write notes the completion for webhooks, so that no crash can come between
 * the two. The latest UNANNOUNCED_MAX_COUNT completions are kept.
 */
export const completedChanges = (
  { generation, state, unannounced }: Pick<Batch, "generation" | "state" | "unannounced">,
  counts: StateCounts,
  now: Date,
) => ({
  completedGeneration: generation,
  completedAt: now,
  unannounced: [...unannounced, { generation, state, completedAt: now, counts }].slice(-UNANNOUNCED_MAX_COUNT),
});

/**
 * What is written when a job of the batch returns to queued. It is always written, also when it changes nothing: the
 * new version is what stops a completion under way.
 */
export const reopenedChanges = (batch: Pick<Batch, "generation" | "completedGeneration">) =>
  batch.completedGeneration < batch.generation
    ? { generation: batch.generation, atRest: false, forgetAt: undefined, frozenCounts: undefined }
    : {
        generation: batch.generation + 1,
        completedAt: undefined,
        atRest: false,
        // Its jobs are due at other times than before.
        forgetAt: undefined,
        frozenCounts: undefined,
      };
