/** The batch of a timer's runs: made when the first of them is, and nobody's to fill or to end. */
import { ConflictError } from "../core/errors.ts";
import { isTimerBatch } from "../core/ids.ts";
import type { Batch } from "../core/job.ts";
import { batchIdOf, batchNameOf, type Timer } from "../core/timer.ts";

/** As it is when nothing has run in it. */
export const newTimerBatch = (timer: Timer, createdAt: Date): Batch => ({
  batchId: batchIdOf(timer),
  tenantName: timer.tenantName,
  batchName: batchNameOf(timer),
  priority: timer.priority,
  pool: timer.pool,
  state: "open",
  generation: 1,
  completedGeneration: 0,
  completedAt: undefined,
  atRest: false,
  shardCount: 1,
  createdAt,
  createdBy: "timer",
});

/** Throws ConflictError BatchOfTimer. */
export function refuseTimerBatch(batchId: string): void {
  if (!isTimerBatch(batchId)) return;
  throw new ConflictError(
    "BatchOfTimer",
    `Batch ${batchId} holds the runs of a timer: it takes no other jobs and does not end. Pause the timer, cancel its runs.`,
  );
}
