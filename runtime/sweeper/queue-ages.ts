/**
 * How long the oldest job of each queue has waited. The broker knows neither that nor which messages are under lock, so a
 * page of each queue is peeked and the rows of its jobs are read until one is found that could start now. It costs one
 * request to the broker per queue, and a few reads of rows while workers are busy. A pool without queued rows is looked at
 * too: the run of a timer has no row until a worker receives its tick.
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
  look(pools: Iterable<string>): Promise<readonly QueueAge[]>;
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
      const times = await Promise.all(group.map(startableSince));
      const at = times.findIndex((since) => since !== undefined && since <= now());
      const [since, message] = [times[at], group[at]];
      if (since === undefined || message === undefined) continue;
      positions.set(queueName, message.sequenceNumber);
      return [{ pool, priority, oldestMs: now().getTime() - since.getTime() }];
    }
    const last = page.length < PEEK_PAGE ? undefined : page.at(-1);
    // At the end of the queue the next look begins at its head again, where returned messages lie.
    if (last === undefined) positions.delete(queueName);
    else positions.set(queueName, last.sequenceNumber);
    return last === undefined ? [{ pool, priority, oldestMs: 0 }] : [];
  }

  /** From when the job of the message could start, or will. Undefined: it has moved on. */
  async function startableSince({ parsed, messageId }: PeekedMessage): Promise<Date | undefined> {
    const subject = subjectOf(parsed);
    if (subject === undefined) return undefined;
    const found = await unlessUnreadable(messageId, unreadable, async () => ({
      stored: await jobs.get(subject.jobId),
    }));
    const row = found?.stored?.value;
    if (row !== undefined) return row.state === "queued" && row.ring === subject.ring ? waitingSince(row) : undefined;
    return found !== undefined && parsed.kind === "tick" ? new Date(parsed.tick.scheduledAt) : undefined;
  }

  return {
    async look(pools) {
      const looks = [...pools].flatMap((pool) => PRIORITIES.map((priority) => lookInto(pool, priority)));
      return (await Promise.all(looks)).flat();
    },
  };
}

/** Since when the row could be started, at the latest. */
export const waitingSince = ({ runAt, history, submittedAt }: Pick<Job, "runAt" | "submittedAt" | "history">): Date =>
  runAt ?? history.at(-1)?.endedAt ?? submittedAt;
