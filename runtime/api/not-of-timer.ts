/** Batches of timers belong to their timers: nobody else gives them jobs, closes or cancels them. */
import { ConflictError } from "../core/errors.ts";
import { isTimerBatch } from "../core/ids.ts";
import type { Batch } from "../core/job.ts";

/** Throws ConflictError "BatchOfTimer". */
export function assertNotOfTimer({ batchId, batchName }: Batch): void {
  if (!isTimerBatch(batchId)) return;
  throw new ConflictError(
    "BatchOfTimer",
    `Batch ${batchId} (${batchName}) belongs to its timer: run or pause the timer, or cancel single runs.`,
  );
}
