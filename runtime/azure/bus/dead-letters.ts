/**
 * Takes dead letters of queues under lock, over links of their own that stay open until their last letter is settled.
 * How many there are is asked first, so that nobody waits for letters that do not exist.
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
  /** Oldest first, up to `maxCount`; fewer when there are no more that nobody else holds. */
  take(queue: string, maxCount: number): Promise<readonly ReceivedMessage[]>;
}

/** For letters that are there: long enough to open a link, short enough when another process holds them all. */
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
      // Settles what it has given and closes with the last one.
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
        // The rest is under somebody else's lock.
        if (received.length < letters.length) break;
        fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
      }
      return taken;
    },
  };
}

// --- Peeking ---------------------------------------------------------------------------------------------------------

/** More the service does not give at a time. */
const PEEK_MAX_COUNT = 250;
/** Where numbering begins. Always given: without it the SDK goes on where the connection's last peek ended. */
const FIRST_SEQUENCE_NUMBER = "1";

/** Reads messages of a queue, or its dead letters, without a lock. Throws InvalidRequestError for a text that is no sequence number. */
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
    // Nothing depends on the answer.
    receiver.close().catch(() => undefined);
  }
}

/** A sequence number has 64 bits, more than a number of JavaScript keeps. */
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
    reason: message.deadLetterReason,
    description: message.deadLetterErrorDescription,
  };
}
