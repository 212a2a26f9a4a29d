/**
 * A worker that starts again on the same machine hands back at once what its predecessor ran, instead of leaving it to
 * the broker's locks, and rings again for what that one had been given and not yet claimed. The predecessor is certainly
 * gone: its processes have been swept before.
 */
import { bellMessageId, bellOf } from "../core/bell.ts";
import { handbackOf } from "../core/handback.ts";
import type { Logger } from "../core/logger.ts";
import type { JobQueue, OutgoingBell } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { Job } from "../core/job.ts";
import { unlessUnreadable, type Unreadable } from "../core/unreadable.ts";
import { jobQueueName } from "../core/topology.ts";
import type { BatchCompletion } from "../jobs/batch-completion.ts";
import type { JobEvents } from "../jobs/job-events.ts";
import type { ClaimJournal, HeldClaim } from "./claim-journal.ts";
import { insist } from "./patience.ts";
import { ringUnread } from "./unread-bells.ts";

export interface RecoveryDeps {
  readonly journal: Pick<ClaimJournal, "left" | "forgetLeft">;
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly queue: Pick<JobQueue, "send" | "peek">;
  readonly pool: string;
  readonly batches: BatchCompletion;
  readonly events: JobEvents;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: () => Date;
  readonly log: Logger;
}

/** Resolves to the number of jobs handed back. Repeats itself through outages until `until` fires. */
export function recoverOwnJobs(deps: RecoveryDeps, until: AbortSignal): Promise<number> {
  return insist("handing back own jobs", () => handBackAll(deps), { until, log: deps.log });
}

async function handBackAll(deps: RecoveryDeps): Promise<number> {
  const left = await deps.journal.left();
  if (left === undefined) return 0;
  // In this order: the bells of jobs handed back lie behind the last one read, too, and nobody has missed them.
  const rung = await ringUnread(left.received, deps);
  const jobs = await handBackHeld(left.held, deps);
  await deps.journal.forgetLeft();
  if (jobs + rung > 0) deps.log.info({ jobs, rung }, "handed back what an earlier run of this worker held");
  return jobs;
}

async function handBackHeld(held: readonly HeldClaim[], deps: RecoveryDeps): Promise<number> {
  // One that cannot be read is left to its lock.
  const written = await Promise.all(
    held.map((claim) => unlessUnreadable(claim.jobId, deps.unreadable, () => handBack(claim, deps))),
  );
  const moved = written.filter((stored) => stored !== undefined);

  // Rows first, then bells (R10), together per queue. A crash in between leaves rows that the old bells ring again.
  const bells = new Map<string, OutgoingBell[]>();
  for (const stored of moved.filter(({ value }) => value.state === "queued")) {
    const { value: job, etag } = stored;
    const queueName = jobQueueName(job.pool, job.priority);
    const ofQueue = bells.get(queueName) ?? [];
    const messageId = bellMessageId(job.jobId, job.ring);
    // Never claimed: its bell lies under the dead worker's lock, and its name is taken. A second one costs a message.
    const wasClaimed = job.history.at(-1)?.claimId === stored.claimId;
    ofQueue.push({
      bell: bellOf(job, etag),
      messageId: wasClaimed ? messageId : `${messageId}:${stored.claimId}`,
      enqueueAt: job.runAt,
    });
    bells.set(queueName, ofQueue);
  }
  await Promise.all([...bells].map(([queueName, ofQueue]) => deps.queue.send(queueName, ofQueue)));
  const ended = moved.filter(({ value }) => value.state !== "queued");
  for (const batchId of new Set(ended.map(({ value }) => value.batchId))) {
    await deps.batches.askBatch(batchId);
  }
  return moved.length;
}

interface HandedBack extends Stored<Job> {
  readonly claimId: string;
}

/** The row as it is after it was handed back; undefined when there is nothing to hand back. */
async function handBack(
  { claimId, jobId }: HeldClaim,
  { jobs, events, now }: RecoveryDeps,
): Promise<HandedBack | undefined> {
  let stored = await jobs.get(jobId);
  for (;;) {
    const job = stored?.value;
    if (stored === undefined || job?.state !== "running" || job.claim?.id !== claimId) {
      // Still queued: it had been received and not claimed. Queued again: our write landed without an answer.
      return stored !== undefined && job?.state === "queued" ? { ...stored, claimId } : undefined;
    }
    const { to, changes } = handbackOf(job, now());
    const result = await jobs.update({ jobId, etag: stored.etag, from: "running", to, changes });
    if (result.written) {
      const { history, ...fields } = changes;
      const value = { ...job, ...fields, history: [...job.history, ...(history ?? [])], state: to };
      if (to === "queued") events.retrying(value, undefined);
      else events.completedRow(value);
      return { value, etag: result.etag, claimId };
    }
    stored = result.current;
  }
}
