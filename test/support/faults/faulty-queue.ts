/** Puts a fault plan between a process and its messages. */
import { LockLostError } from "../../../runtime/core/errors.ts";
import type { BellReceiver, ReceivedMessage, JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { type PortCall, READ, WRITE } from "./fault-plan.ts";

interface FaultyQueueOptions {
  readonly lockMs: number;
  /** Whether nothing of this process gets through any more. */
  readonly isSevered: () => boolean;
}

export function faultyQueue(inner: JobQueue, call: PortCall, { lockMs, isSevered }: FaultyQueueOptions): JobQueue {
  const wrap = (delivery: ReceivedMessage): ReceivedMessage => faultyDelivery(delivery, call, lockMs);
  return {
    send: (queue, bells) => call("queue.send", WRITE, () => inner.send(queue, bells)),
    receiver: (queue) => faultyReceiver(inner.receiver(queue), call, { wrap, isSevered }),
    peek: (queue, request) => call("queue.peek", READ, () => inner.peek(queue, request)),
    takeDeadLetters: (queue, maxCount) =>
      call("queue.takeDeadLetters", READ, async () => (await inner.takeDeadLetters(queue, maxCount)).map(wrap)),
    close: () => inner.close(),
  };
}

interface Receiving extends Pick<FaultyQueueOptions, "isSevered"> {
  readonly wrap: (delivery: ReceivedMessage) => ReceivedMessage;
}

/** A receive is a call once it has brought something: idle ones would make the count a matter of time. */
const faultyReceiver = (inner: BellReceiver, call: PortCall, { wrap, isSevered }: Receiving): BellReceiver => ({
  async receive(waitMs, maxCount) {
    // The broker gives it at most what it waits for already. More would be kept from the living.
    const messages = isSevered() ? [] : await inner.receive(waitMs, maxCount);
    if (messages.length === 0 && !isSevered()) return [];
    // A failure leaves the messages under locks that no one renews.
    return call("queue.receive", ["fail-after", "slow", "late"], () => Promise.resolve(messages.map(wrap)));
  },
  close: () => inner.close(),
});

function faultyDelivery(inner: ReceivedMessage, call: PortCall, lockMs: number): ReceivedMessage {
  const lost = (): never => {
    throw new LockLostError("The broker has ended the lock.");
  };
  /** The broker has given the message to others before this settlement. */
  const settle = (name: string, perform: () => Promise<void>): Promise<void> =>
    call(name, WRITE, perform, {
      "lose-lock": async () => {
        await inner.abandon();
        return lost();
      },
    });
  return {
    parsed: inner.parsed,
    messageId: inner.messageId,
    queue: inner.queue,
    sequenceNumber: inner.sequenceNumber,
    deliveryCount: inner.deliveryCount,
    enqueuedAt: inner.enqueuedAt,
    lockedUntil: inner.lockedUntil,
    renew: () =>
      call("delivery.renew", WRITE, () => inner.renew(), {
        // The holder is told first, as A1 demands; then another receiver gets the message.
        "lose-lock": (later) => {
          later(async () => {
            await new Promise((resolve) => setTimeout(resolve, lockMs / 4));
            await inner.abandon();
          });
          return Promise.resolve().then(lost);
        },
      }),
    complete: () => settle("delivery.complete", () => inner.complete()),
    abandon: () => settle("delivery.abandon", () => inner.abandon()),
    deadLetter: (reason, description) => settle("delivery.deadLetter", () => inner.deadLetter(reason, description)),
  };
}
