/**
 * How long the oldest job of each queue has waited. The broker knows neither that nor which messages are under lock, so a
 * page of each queue is peeked and the rows of its jobs are read until one is found that could start now. It costs one
 * request to the broker per queue, and a few reads of rows while workers are busy. An idle pool is not asked about.
 */
import { jobQueueName } from "../core/deployment/topology.ts";
import type { Job } from "../core/job/job.ts";
import { subjectOf } from "../core/job/message.ts";
import { PRIORITIES, type Priority } from "../core/job/priority.ts";
import type { JobQueue, PeekedMessage } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { type Unreadable, unlessUnreadable } from "../core/unreadable.ts";
import type { Clock } from "../core/clock.ts";

export interface QueueAgesDeps {
  readonly queue: Pick<JobQueue, "peek">;
  readonly jobs: Pick<JobStore, "get">;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
}

export interface QueueAge {
  readonly pool: string;
  readonly priority: Priority;
  /** 0: no job waits that could start now. */
  readonly oldestMs: number;
}

const PEEK_PAGE = 250;
/** Rows read at a time. Most often the first group has one that waits. */
const GROUP_SIZE = 16;

export interface QueueAges {
  /** A queue whose page holds only jobs that run is left out: its age is not known. Throws UnavailableError. */
  look(queuedCounts: ReadonlyMap<string, number>): Promise<readonly QueueAge[]>;
}

/** Begins in each queue where the last look found something: messages before that are of jobs that run. */
export function createQueueAges({ queue, jobs, unreadable, now }: QueueAgesDeps): QueueAges {
  const positions = new Map<string, string>();

  async function lookInto(pool: string, priority: Priority): Promise<readonly QueueAge[]> {
    const queueName = jobQueueName(pool, priority);
    const fromSequenceNumber = positions.get(queueName);
    const page = await queue.peek(queueName, { deadLetter: false, fromSequenceNumber, maxCount: PEEK_PAGE });
    for (let from = 0; from < page.length; from += GROUP_SIZE) {
      const group = page.slice(from, from + GROUP_SIZE);
      const rows = await Promise.all(group.map(rowOf));
      const at = rows.findIndex((row) => row !== undefined && couldStart(row, now()));
      const [found, message] = [rows[at], group[at]];
      if (found === undefined || message === undefined) continue;
      positions.set(queueName, message.sequenceNumber);
      return [{ pool, priority, oldestMs: Math.max(0, now().getTime() - waitingSince(found).getTime()) }];
    }
    const last = page.length < PEEK_PAGE ? undefined : page.at(-1);
    // At the end of the queue the next look begins at its head again, where returned messages lie.
    if (last === undefined) positions.delete(queueName);
    else positions.set(queueName, last.sequenceNumber);
    return last === undefined ? [{ pool, priority, oldestMs: 0 }] : [];
  }

  /** The row that the message rings for, unless it has moved on. */
  async function rowOf({ parsed, messageId }: PeekedMessage): Promise<Job | undefined> {
    const subject = subjectOf(parsed);
    if (subject === undefined) return undefined;
    const stored = await unlessUnreadable(messageId, unreadable, () => jobs.get(subject.jobId));
    return stored?.value.ring === subject.ring ? stored.value : undefined;
  }

  return {
    async look(queuedCounts) {
      const looks = [...queuedCounts].flatMap(([pool, count]) =>
        PRIORITIES.map(async (priority) =>
          count === 0 ? [{ pool, priority, oldestMs: 0 }] : lookInto(pool, priority),
        ),
      );
      return (await Promise.all(looks)).flat();
    },
  };
}

const couldStart = ({ state, runAt }: Job, now: Date): boolean =>
  state === "queued" && (runAt === undefined || runAt <= now);

/** Since when the row could be started, at the latest. */
export const waitingSince = ({ runAt, history, submittedAt }: Pick<Job, "runAt" | "submittedAt" | "history">): Date =>
  runAt ?? history.at(-1)?.endedAt ?? submittedAt;
