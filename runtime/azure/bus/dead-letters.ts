/**
 * Takes dead letters of queues under lock, and peeks at messages without a lock. Each take uses a new link that stays
 * open until its last letter is settled. It peeks first, so that it does not wait for letters that do not exist.
 */
import type { ServiceBusClient, ServiceBusReceivedMessage } from "@azure/service-bus";
import Long from "long";
import { InvalidRequestError, InvariantError } from "../../core/errors.ts";
import { parseMessage } from "../../core/job/message.ts";
import type { ReceivedMessage, PeekRequest, PeekedMessage } from "../../core/ports/job-queue.ts";
import { receivedMessageOf } from "./bell-receiver.ts";
import { type ReceiverLink, openLink } from "./receiver-link.ts";
import { retryBusCall } from "./retry-bus-call.ts";

export interface DeadLetters {
  /** Oldest first, up to `maxCount`; fewer if there are no more, or if other processes hold the rest. */
  take(queue: string, maxCount: number): Promise<readonly ReceivedMessage[]>;
}

/** Long enough to open a link, and short in case another process holds all letters. */
const WAIT_MS = 1_000;

export function createDeadLetters(bus: ServiceBusClient): DeadLetters {
  const retired = new Set<ReceiverLink>();

  function retire(link: ReceiverLink): void {
    retired.add(link);
    link.retire();
  }

  function forgetClosed(): void {
    for (const link of retired) {
      link.forgetLapsed();
      if (link.closed) retired.delete(link);
    }
  }

  async function receive(queue: string, count: number): Promise<readonly ReceivedMessage[]> {
    const link = openLink(bus, queue, { subQueueType: "deadLetter" });
    try {
      const messages = await link.sdk.receiveMessages(count, { maxWaitTimeInMs: WAIT_MS });
      return messages.map((message) => {
        link.received(message);
        return receivedMessageOf(link, message, queue);
      });
    } finally {
      // The link closes after the settlement of its last message.
      retire(link);
    }
  }

  return {
    async take(queue, maxCount) {
      forgetClosed();
      const taken: ReceivedMessage[] = [];
      let fromSequenceNumber: string | undefined;
      while (taken.length < maxCount) {
        const page = Math.min(maxCount - taken.length, PEEK_MAX_COUNT);
        const letters = await peekMessages(bus, queue, { deadLetter: true, fromSequenceNumber, maxCount: page });
        const last = letters.at(-1);
        if (last === undefined) break;
        const received = await retryBusCall("taking dead letters", () => receive(queue, letters.length));
        taken.push(...received);
        // Another process holds the rest.
        if (received.length < letters.length) break;
        fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
      }
      return taken;
    },
  };
}

/** The service's limit for one request. */
const PEEK_MAX_COUNT = 250;
/** The lowest number. Always given, because the SDK otherwise continues after the connection's last peek. */
const FIRST_SEQUENCE_NUMBER = "1";

/**
 * Reads messages of a queue, or its dead letters, without a lock. Throws InvalidRequestError for an invalid sequence
 * number.
 */
export async function peekMessages(
  bus: ServiceBusClient,
  queue: string,
  { deadLetter, fromSequenceNumber = FIRST_SEQUENCE_NUMBER, maxCount }: PeekRequest,
): Promise<readonly PeekedMessage[]> {
  const from = sequenceNumberOf(fromSequenceNumber);
  const count = Math.min(maxCount, PEEK_MAX_COUNT);
  if (count < 1) return [];
  const receiver = bus.createReceiver(queue, deadLetter ? { subQueueType: "deadLetter" } : {});
  try {
    const messages = await retryBusCall("peeking", () =>
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- The SDK loads the CommonJS copy of the same package, and knows a Long by its mark, not its class.
      receiver.peekMessages(count, { fromSequenceNumber: from }),
    );
    return messages.map(peekedMessage);
  } finally {
    // The result is not needed.
    receiver.close().catch(() => undefined);
  }
}

/** A sequence number has 64 bits, more than a JavaScript number can hold. */
function sequenceNumberOf(text: string): Long {
  if (/^\d{1,19}$/.test(text)) {
    const number = Long.fromString(text);
    if (number.toString() === text) return number;
  }
  throw new InvalidRequestError("InvalidRequest", "Not a sequence number.", {
    details: [{ target: "fromSequenceNumber", message: "must be a whole number of at most 63 bits" }],
  });
}

function peekedMessage(message: ServiceBusReceivedMessage): PeekedMessage {
  if (message.sequenceNumber === undefined || message.enqueuedTimeUtc === undefined) {
    throw new InvariantError("A message was peeked without sequence number or time.");
  }
  return {
    parsed: parseMessage(message.body),
    messageId: String(message.messageId),
    sequenceNumber: message.sequenceNumber.toString(),
    enqueuedAt: message.enqueuedTimeUtc,
    dueAt: message.scheduledEnqueueTimeUtc,
    reason: message.deadLetterReason,
    description: message.deadLetterErrorDescription,
  };
}
