/**
 * Messages that the broker had given to a worker that was killed before it read them. They are in no journal, and stay
 * under the dead link's locks. The worker's successor finds them by where they lie: right behind the last message that
 * was read, and of a job that is still queued. It rings these jobs again (step 10 of the protocol).
 *
 * From outside nobody sees a lock, so that a message that only waits, or that another worker is just claiming, looks the
 * same. Its second bell costs one message; hence no more than a few are sent.
 */
import { bellMessageId, bellOf } from "../core/bell.ts";
import { subjectOf } from "../core/message.ts";
import type { JobQueue, OutgoingBell, PeekedMessage } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { PRIORITIES } from "../core/priority.ts";
import { unlessUnreadable, type Unreadable } from "../core/unreadable.ts";
import { jobQueueName } from "../core/topology.ts";

export interface UnreadBellsDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly queue: Pick<JobQueue, "send" | "peek">;
  readonly pool: string;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: () => Date;
}

/** Messages looked at per queue, one request. Between the last one read and an unread one lie those of other workers. */
export const LOOK_MAX = 250;
/** Jobs rung per queue. A link asks for one message at a time, so that one is unread; others may just be on their way. */
export const RING_MAX = 8;

/** `received`: the highest sequence number that was read from each queue. Resolves to the number of bells sent. */
export async function ringUnread(received: ReadonlyMap<string, bigint>, deps: UnreadBellsDeps): Promise<number> {
  const sent = await Promise.all(
    PRIORITIES.map((priority) => {
      const queueName = jobQueueName(deps.pool, priority);
      return ringIn(queueName, received.get(queueName) ?? 0n, deps);
    }),
  );
  return sent.reduce((sum, count) => sum + count, 0);
}

async function ringIn(queueName: string, lastRead: bigint, deps: UnreadBellsDeps): Promise<number> {
  const look = { deadLetter: false, fromSequenceNumber: String(lastRead + 1n), maxCount: LOOK_MAX };
  const messages = await deps.queue.peek(queueName, look);
  const bells: OutgoingBell[] = [];
  for (let next = 0; next < messages.length && bells.length < RING_MAX; next += RING_MAX) {
    const found = await Promise.all(
      messages
        .slice(next, next + RING_MAX)
        .map((message) => unlessUnreadable(message.messageId, deps.unreadable, () => secondBell(message, deps))),
    );
    bells.push(...found.filter((bell) => bell !== undefined));
  }
  const few = bells.slice(0, RING_MAX);
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
  // Not due: nobody has been given its message.
  if (stored.value.runAt !== undefined && stored.value.runAt > now()) return undefined;
  // Fresh, since the first bell's id is taken (R10), and the same for everybody who misses this message: whatever
  // restarts and how often, the broker takes in one.
  return { bell: bellOf(stored.value, stored.etag), messageId: `${bellMessageId(jobId, ring)}:${sequenceNumber}` };
}
