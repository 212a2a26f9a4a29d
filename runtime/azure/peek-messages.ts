/** Looks at messages of a queue, or at its dead letters, without locking any. */
import type { ServiceBusClient, ServiceBusReceivedMessage } from "@azure/service-bus";
import Long from "long";
import { InvalidRequestError, InvariantError } from "../core/errors.ts";
import { parseMessage } from "../core/message.ts";
import type { PeekedMessage, PeekRequest } from "../core/ports/job-queue.ts";
import { insist } from "./insist.ts";

/** More the service does not give at a time. */
export const PEEK_MAX_COUNT = 250;
/** Where numbering begins. Always given: without it the SDK goes on where the connection's last peek ended. */
const FIRST_SEQUENCE_NUMBER = "1";

/** Throws InvalidRequestError for a text that is no sequence number. */
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
    const messages = await insist("peeking", () =>
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
