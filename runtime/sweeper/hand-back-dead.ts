/** Hands a running job back whose claim is dead: the row first, then its new bell (R10), or the question to its batch. */
import { bellMessageId, bellOf } from "../core/job/bell.ts";
import { handbackOf, type Handback } from "../core/job/handback.ts";
import type { Job } from "../core/job/job.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import type { JobEvents } from "../lifecycle/job-events.ts";

export interface HandBackDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: BatchCompletion;
  readonly events: JobEvents;
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
  const { history, ...fields } = changes;
  const moved = { ...job, ...fields, state: to };
  if (to === "queued") {
    deps.events.retrying(moved, undefined);
    await ringRow({ value: moved, etag: result.etag }, deps.queue);
  } else {
    deps.events.completedRow(moved);
    await deps.completion.afterJobEnded(job.batchId);
  }
  return to;
}

/** Sends the bell of a queued row under its own name: a repeat within the broker's window is swallowed. */
export async function ringRow({ value: job, etag }: Stored<Job>, queue: Pick<JobQueue, "send">): Promise<void> {
  await queue.send(jobQueueName(job.pool, job.priority), [
    { bell: bellOf(job, etag), messageId: bellMessageId(job.jobId, job.ring), enqueueAt: job.runAt },
  ]);
}
