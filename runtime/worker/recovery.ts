/**
 * A worker that starts again on the same machine hands back at once the jobs that its predecessor ran, instead of leaving
 * them to the broker's locks. For messages that the predecessor had received and not claimed it sends second bells. The
 * predecessor is certainly gone: its processes have been swept before.
 */
import { jobQueueName } from "../core/deployment/topology.ts";
import { type Unreadable, unlessUnreadable } from "../core/unreadable.ts";
import { bellMessageId, bellOf } from "../core/job/bell.ts";
import { handbackOf } from "../core/job/handback.ts";
import type { Job } from "../core/job/job.ts";
import { subjectOf } from "../core/job/message.ts";
import { PRIORITIES } from "../core/job/priority.ts";
import { type Logger, jobLogFields } from "../core/logger.ts";
import type { JobQueue, OutgoingBell, PeekedMessage } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import type { JobEvents } from "../lifecycle/job-events.ts";
import type { Limits } from "../lifecycle/limits/limits.ts";
import { retryWhileLocked } from "./attempt/retry-while-locked.ts";
import type { ClaimJournal, HeldClaim } from "./claim-journal.ts";
import type { Clock } from "../core/clock.ts";

export interface RecoveryDeps {
  readonly journal: Pick<ClaimJournal, "left" | "forgetLeft">;
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly queue: Pick<JobQueue, "send" | "peek">;
  readonly pool: string;
  /** Of the predecessor too: a link asks for at most as many messages at a time. */
  readonly slots: number;
  readonly completion: BatchCompletion;
  readonly events: JobEvents;
  readonly limits?: Pick<Limits, "left"> | undefined;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** Resolves to the number of jobs handed back. Repeats itself through outages until `until` fires. */
export function recoverOwnJobs(deps: RecoveryDeps, until: AbortSignal): Promise<number> {
  return retryWhileLocked("handing back own jobs", () => handBackAll(deps), { until, log: deps.log });
}

async function handBackAll(deps: RecoveryDeps): Promise<number> {
  const left = await deps.journal.left();
  if (left === undefined) return 0;
  // In this order, because the bells of jobs that are handed back lie behind the last message read, too, and are not lost.
  const bellsSent = await resendUnreadBells(left.received, deps);
  const jobs = await handBackHeld(left.held, deps);
  await deps.journal.forgetLeft();
  if (jobs + bellsSent > 0) deps.log.info({ jobs, bellsSent }, "handed back what an earlier run of this worker held");
  return jobs;
}

async function handBackHeld(held: readonly HeldClaim[], deps: RecoveryDeps): Promise<number> {
  // A row that cannot be read is left to its lock.
  const written = await Promise.all(
    held.map((claim) => unlessUnreadable(claim.jobId, deps.unreadable, () => handBack(claim, deps))),
  );
  const moved = written.filter((stored) => stored !== undefined);

  // Rows first, then bells (R10), together per queue. After a crash in between, the old bells repair the rows.
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
    await deps.completion.afterJobEnded(batchId);
  }
  for (const { value } of moved) await deps.limits?.left(value);
  return moved.length;
}

interface HandedBack extends Stored<Job> {
  readonly claimId: string;
}

/** The row as it is after it was handed back; undefined when there is nothing to hand back. */
async function handBack(
  { claimId, jobId }: HeldClaim,
  { jobs, events, now, log }: RecoveryDeps,
): Promise<HandedBack | undefined> {
  let stored = await jobs.get(jobId);
  for (;;) {
    const job = stored?.value;
    if (stored === undefined || job?.state !== "running" || job.claim?.id !== claimId) {
      // Still queued: it had been received and not claimed. Queued again: our write landed without an answer.
      return stored !== undefined && job?.state === "queued" ? { ...stored, claimId } : undefined;
    }
    const { to, changes } = handbackOf(job, now());
    const result = await jobs.update({ jobId, etag: stored.etag, from: "running", to, changes, facts: job });
    if (result.written) {
      const { history, ...fields } = changes;
      const value = { ...job, ...fields, history: [...job.history, ...(history ?? [])], state: to };
      log.info({ ...jobLogFields(jobId), claimId, requestId: job.requestId, to }, "job handed back");
      events.measures.interrupted(job);
      if (to === "queued") {
        events.retrying(value, undefined);
      } else {
        events.completedRow(value);
        events.measures.ended(job, to);
      }
      return { value, etag: result.etag, claimId };
    }
    stored = result.current;
  }
}

export interface UnreadBellsDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly queue: Pick<JobQueue, "send" | "peek">;
  readonly pool: string;
  readonly slots: number;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
}

/** Messages peeked per queue, one request. Messages of other workers lie between the last one read and an unread one. */
export const PEEKED_MAX = 250;
/** Second bells per queue, in addition to one for each slot: messages of other workers may lie before the unread ones. */
export const SECOND_BELLS_MORE = 8;

/**
 * Sends second bells for messages that the broker had delivered to the predecessor and that it had not read (step 10 of the
 * protocol). They are in no journal, and stay under the dead link's locks. They lie right behind the last message that was
 * read, and their jobs are still queued. A message that only waits, or that another worker is just claiming, looks the
 * same, because a peek shows no locks. A second bell costs one message, so no more are sent than can have been unread.
 *
 * `received`: the highest sequence number that was read from each queue. Resolves to the number of bells sent.
 */
export async function resendUnreadBells(received: ReadonlyMap<string, bigint>, deps: UnreadBellsDeps): Promise<number> {
  const sent = await Promise.all(
    PRIORITIES.map((priority) => {
      const queueName = jobQueueName(deps.pool, priority);
      return resendIn(queueName, received.get(queueName) ?? 0n, deps);
    }),
  );
  return sent.reduce((sum, count) => sum + count, 0);
}

async function resendIn(queueName: string, lastRead: bigint, deps: UnreadBellsDeps): Promise<number> {
  const range = { deadLetter: false, fromSequenceNumber: String(lastRead + 1n), maxCount: PEEKED_MAX };
  const messages = await deps.queue.peek(queueName, range);
  const bells: OutgoingBell[] = [];
  const maxCount = deps.slots + SECOND_BELLS_MORE;
  for (let next = 0; next < messages.length && bells.length < maxCount; next += maxCount) {
    const found = await Promise.all(
      messages
        .slice(next, next + maxCount)
        .map((message) => unlessUnreadable(message.messageId, deps.unreadable, () => secondBell(message, deps))),
    );
    bells.push(...found.filter((bell) => bell !== undefined));
  }
  const few = bells.slice(0, maxCount);
  await deps.queue.send(queueName, few);
  return few.length;
}

/** Undefined when the message is not what its job waits for. */
async function secondBell(
  { parsed, sequenceNumber }: PeekedMessage,
  { jobs, now }: UnreadBellsDeps,
): Promise<OutgoingBell | undefined> {
  const subject = subjectOf(parsed);
  if (subject === undefined) return undefined;
  const { jobId, ring } = subject;
  const stored = await jobs.get(jobId);
  if (stored?.value.state !== "queued" || stored.value.ring !== ring) return undefined;
  // Not due: its message was not delivered.
  if (stored.value.runAt !== undefined && stored.value.runAt > now()) return undefined;
  // A new id, since the first bell's id is taken (R10). It is the same after every restart, so the broker keeps one.
  return { bell: bellOf(stored.value, stored.etag), messageId: `${bellMessageId(jobId, ring)}:${sequenceNumber}` };
}
