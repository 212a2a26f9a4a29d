/** A delivered message that remembers how it was settled, a queue that remembers what was sent, and one to look at. */
import { bellMessageId, bellOf } from "../../../runtime/core/job/bell.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import type {
  BellReceiver,
  ReceivedMessage,
  JobQueue,
  OutgoingBell,
  PeekedMessage,
} from "../../../runtime/core/ports/job-queue.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";

export interface FakeDelivery extends ReceivedMessage {
  readonly settled: string[];
  renewals: number;
}

/** The bell of a row, delivered. */
export function deliveryOf({ value: job, etag }: Stored<Job>, fields: Partial<ReceivedMessage> = {}): FakeDelivery {
  const settled: string[] = [];
  const settle = (how: string) => (): Promise<void> => {
    settled.push(how);
    return Promise.resolve();
  };
  const delivery: FakeDelivery = {
    parsed: { kind: "bell", bell: bellOf(job, etag) },
    messageId: bellMessageId(job.jobId, job.ring),
    queue: "jobs-default-normal",
    sequenceNumber: "7",
    deliveryCount: 1,
    enqueuedAt: Date.now(),
    lockedUntil: Date.now() + 60_000,
    settled,
    renewals: 0,
    renew: () => {
      delivery.renewals += 1;
      return Promise.resolve(Date.now() + 60_000);
    },
    complete: settle("complete"),
    abandon: settle("abandon"),
    deadLetter: (reason, description) => settle(`dead-letter ${reason}: ${description}`)(),
    ...fields,
  };
  return delivery;
}

export function fakeQueue(): Pick<JobQueue, "send"> & { readonly sent: OutgoingBell[] } {
  const sent: OutgoingBell[] = [];
  return {
    sent,
    send: (_queue, bells) => {
      sent.push(...bells);
      return Promise.resolve();
    },
  };
}

/** The bell of a row, as it lies in its queue. */
export const peekedOf = ({ value: job, etag }: Stored<Job>, sequenceNumber: string): PeekedMessage => ({
  parsed: { kind: "bell", bell: bellOf(job, etag) },
  messageId: bellMessageId(job.jobId, job.ring),
  sequenceNumber,
  enqueuedAt: job.submittedAt,
  reason: undefined,
  description: undefined,
});

/** Looks at one queue's messages, which lie in the order of their numbers; the others are empty. */
export const peekAt =
  (queueName: string, messages: readonly PeekedMessage[]): JobQueue["peek"] =>
  (queue, { fromSequenceNumber = "1", maxCount }) =>
    Promise.resolve(
      queue !== queueName
        ? []
        : messages
            .filter(({ sequenceNumber }) => BigInt(sequenceNumber) >= BigInt(fromSequenceNumber))
            .slice(0, maxCount),
    );

/** The next message, or undefined when none came within `waitMs`. */
export async function receiveOne(receiver: BellReceiver, waitMs: number): Promise<ReceivedMessage | undefined> {
  const [message] = await receiver.receive(waitMs, 1);
  return message;
}
