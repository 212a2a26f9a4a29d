/** Hands back a running job whose claim is dead: first the row, then its new bell (R10) or the look at its batch. */
import { handbackOf, type Handback } from "../core/job/handback.ts";
import type { Job } from "../core/job/job.ts";
import { type JobQueue, outgoingBell } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import type { JobEvents } from "../lifecycle/job-events.ts";
import type { AfterPlaceLeft } from "../lifecycle/limits/wake-line.ts";
import type { Clock } from "../core/clock.ts";
import { type Logger, jobLogFields } from "../core/logger.ts";

export interface HandBackDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: BatchCompletion;
  readonly events: JobEvents;
  /** Wakes those that wait for its place. Default: no limit holds. */
  readonly placeLeft?: AfterPlaceLeft | undefined;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** Resolves to the new state. Undefined: the row has moved, so there is nothing to hand back. */
export async function handBack(
  { value: job, etag }: Stored<Job>,
  deps: HandBackDeps,
): Promise<Handback["to"] | undefined> {
  const { to, changes } = handbackOf(job, deps.now());
  const result = await deps.jobs.update({ jobId: job.jobId, etag, from: job.state, to, changes, facts: job });
  if (!result.written) return undefined;
  const { jobId, requestId, claim } = job;
  deps.log.warn({ ...jobLogFields(jobId), claimId: claim?.id, requestId, to }, "job of a lost worker handed back");
  const { history, ...fields } = changes;
  const moved = { ...job, ...fields, state: to };
  deps.events.measures.interrupted(job);
  if (to === "queued") {
    deps.events.retrying(moved, undefined);
    await sendBell({ value: moved, etag: result.etag }, deps.queue);
  } else {
    deps.events.completedRow(moved);
    deps.events.measures.ended(job, to);
    await deps.completion.afterJobEnded(job.batchId);
  }
  await deps.placeLeft?.(job);
  return to;
}

/** Sends the bell of a queued row under its usual id: the broker drops a repeat within its window. */
export async function sendBell(stored: Stored<Job>, queue: Pick<JobQueue, "send">): Promise<void> {
  const { value: job } = stored;
  await queue.send(jobQueueName(job.pool, job.priority), [outgoingBell(stored)]);
}
