/**
 * When a batch is complete: decided once per generation, from the counters alone (R12, R13).
 *
 * Whoever ends a job, or finds one ended, asks. The batch row is read first; then the counters are summed twice, and
 * only if nobody wrote between the sums is the batch row completed, on the version read first. A requeue, or a job
 * added late, writes the batch row before it counts, so that the decision cannot pass over it.
 */
import type { Batch } from "./job.ts";
import type { CounterSnapshot } from "./ports/job-store.ts";
import { openOf } from "./states.ts";

/** Whether it makes sense to count at all: no more jobs can come, and this generation is undecided. */
export const isUndecided = (batch: Pick<Batch, "state" | "generation" | "completedGeneration">): boolean =>
  batch.state !== "open" && batch.completedGeneration < batch.generation;

/** Whether this generation has been decided: all its jobs had ended. */
export const isComplete = (batch: Pick<Batch, "generation" | "completedGeneration">): boolean =>
  batch.completedGeneration === batch.generation;

/** Whether two sums, one after the other, prove that every job has ended. */
export const provesCompletion = (first: CounterSnapshot, second: CounterSnapshot): boolean =>
  first.version === second.version && openOf(second.counts) === 0;

/** What is written to complete a batch. */
export const completedChanges = (batch: Pick<Batch, "generation">, now: Date) => ({
  completedGeneration: batch.generation,
  completedAt: now,
});

/**
 * What is written when a job of the batch returns to queued. It is always written, also when it changes nothing: the
 * new version is what stops a completion under way.
 */
export const reopenedChanges = (batch: Pick<Batch, "generation" | "completedGeneration">) =>
  batch.completedGeneration < batch.generation
    ? { generation: batch.generation, atRest: false }
    : { generation: batch.generation + 1, completedAt: undefined, atRest: false };
