/** Which bells lie in a queue, and which queued rows have none. */
import type { Job } from "../core/job.ts";
import { subjectOf } from "../core/message.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";

/** Above this many messages a queue is not searched: it has work, and its orphans wait for a quieter hour. */
const BELLS_MAX = 20_000;
const PEEK_PAGE = 250;
/** A row that became queued less than this ago may still be seen to by whoever wrote it. */
export const RING_GRACE_MS = 30_000;

const keyOf = (jobId: string, ring: number): string => `${jobId}:${ring}`;

/** All bells of a queue, waiting, scheduled or under lock; undefined when there are too many to look at. */
export async function bellsIn(
  queue: Pick<JobQueue, "peek">,
  queueName: string,
): Promise<ReadonlySet<string> | undefined> {
  const bells = new Set<string>();
  let fromSequenceNumber: string | undefined;
  for (let seen = 0; seen <= BELLS_MAX;) {
    const page = await queue.peek(queueName, { deadLetter: false, fromSequenceNumber, maxCount: PEEK_PAGE });
    const last = page.at(-1);
    if (last === undefined) return bells;
    for (const { parsed } of page) {
      const subject = subjectOf(parsed);
      if (subject !== undefined) bells.add(keyOf(subject.jobId, subject.ring));
    }
    seen += page.length;
    fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
  }
  return undefined;
}

export const hasBell = (bells: ReadonlySet<string>, job: Pick<Job, "jobId" | "ring">): boolean =>
  bells.has(keyOf(job.jobId, job.ring));

/** Since when the row waits for its bell, at the latest. */
export function waitingSince(job: Pick<Job, "runAt" | "submittedAt" | "history">): Date {
  return job.runAt ?? job.history.at(-1)?.endedAt ?? job.submittedAt;
}

export const isOlder = (at: Date | undefined, ms: number, now: Date): boolean =>
  at === undefined || now.getTime() - at.getTime() > ms;
