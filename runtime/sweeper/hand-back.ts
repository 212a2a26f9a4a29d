/** Hands a running job back whose claim is dead: the row first, then its new bell (R10), or the question to its batch. */
import { bellMessageId, bellOf } from "../core/bell.ts";
import { handbackOf, type Handback } from "../core/handback.ts";
import type { Job } from "../core/job.ts";
import type { JobQueue, JobStore, Stored } from "../core/ports.ts";
import { jobQueueName } from "../core/topology.ts";
import type { BatchCompletion } from "../jobs/batch-completion.ts";

export interface HandBackDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly queue: Pick<JobQueue, "send">;
  readonly batches: BatchCompletion;
  readonly now: () => Date;
}

/** Resolves to the state it went to. Undefined: somebody else moved the row, and that is as good. */
export async function handBack(
  { value: job, etag }: Stored<Job>,
  deps: HandBackDeps,
): Promise<Handback["to"] | undefined> {
  const { to, changes } = handbackOf(job, deps.now());
  const result = await deps.jobs.update({ jobId: job.jobId, etag, from: job.state, to, changes });
  if (!result.written) return undefined;
  if (to === "queued") {
    const { history, ...fields } = changes;
    await ringRow({ value: { ...job, ...fields, state: to }, etag: result.etag }, deps.queue);
  } else {
    await deps.batches.askBatch(job.batchId);
  }
  return to;
}

/** Sends the bell of a queued row under its own name: a repeat within the broker's window is swallowed. */
export async function ringRow({ value: job, etag }: Stored<Job>, queue: Pick<JobQueue, "send">): Promise<void> {
  await queue.send(jobQueueName(job.pool, job.priority), [
    { bell: bellOf(job, etag), messageId: bellMessageId(job.jobId, job.ring), enqueueAt: job.runAt },
  ]);
}
