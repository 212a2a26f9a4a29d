/**
 * Ends jobs of a canceled batch that the cancel did not reach: whoever inserted them had found the batch open, and died
 * before it could see that it was not any more.
 */
import { isComplete } from "../core/completion.ts";
import type { Batch, Job } from "../core/job.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Unreadable } from "../core/unreadable.ts";
import type { BatchCompletion } from "../jobs/batch-completion.ts";
import { cancelJob, type CancelDeps } from "../jobs/cancel-job.ts";
import { isOlder, RING_GRACE_MS } from "./bells.ts";

export interface CancelOvertakenDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "scan" | "update">;
  readonly batches: BatchCompletion;
  readonly unreadable: Pick<Unreadable, "note">;
}

/** Step 8 of the protocol for each, then the question to the batch. Resolves to the number of jobs. */
export async function cancelOvertaken(batch: Batch, deps: CancelOvertakenDeps): Promise<number> {
  const { jobs, batches, unreadable, now } = deps;
  let count = 0;
  for await (const stored of jobs.scan(batch, "queued", unreadable.note)) {
    if (!wasNeverStarted(stored.value) || !isOlder(stored.value.submittedAt, RING_GRACE_MS, now())) continue;
    // R13: one the completion of the batch has passed over.
    if (count === 0 && isComplete(batch)) await batches.reopenBatch(batch.batchId);
    await cancelJob(stored, deps);
    count++;
  }
  if (count > 0) await batches.askBatch(batch.batchId);
  return count;
}

/** A requeue of a canceled batch's jobs makes them run although the batch stays canceled: they wait under a later ring. */
const wasNeverStarted = ({ ring }: Job): boolean => ring === 1;
