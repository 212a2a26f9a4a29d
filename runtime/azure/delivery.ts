/** A received message with what can be done about it. */
import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { InvariantError, LockLostError, UnavailableError } from "../core/errors.ts";
import { parseMessage } from "../core/message.ts";
import type { Delivery } from "../core/ports/job-queue.ts";
import { insist } from "./insist.ts";
import type { ReceiverLink } from "./receiver-link.ts";
import { busError } from "./translate-error.ts";

/** A limit of the service for the reason and for the description. */
const DEAD_LETTER_TEXT_MAX_LENGTH = 4_096;
/** A renewal that takes longer is worth less than a new try. */
const RENEW_WITHIN_MS = 5_000;

export function deliveryOf(link: ReceiverLink, message: ServiceBusReceivedMessage, queue: string): Delivery {
  const { sdk } = link;
  if (message.sequenceNumber === undefined || message.lockedUntilUtc === undefined) {
    throw new InvariantError("A message was received without sequence number or lock.");
  }

  async function settle(doing: string, isCompletion: boolean, action: () => Promise<void>): Promise<void> {
    try {
      await insist(doing, () => link.turns.run(isCompletion, action));
      link.settled(message);
    } catch (error) {
      if (error instanceof LockLostError) link.settled(message);
      throw error;
    }
  }

  return {
    parsed: parseMessage(message.body),
    messageId: String(message.messageId),
    queue,
    sequenceNumber: message.sequenceNumber.toString(),
    // On the wire it counts the deliveries before this one.
    deliveryCount: (message.deliveryCount ?? 0) + 1,
    lockedUntil: message.lockedUntilUtc.getTime(),
    async renew() {
      try {
        return (await inTime(sdk.renewMessageLock(message))).getTime();
      } catch (error) {
        throw busError(error, "renewing a lock");
      }
    },
    complete: () => settle("completing a message", true, () => sdk.completeMessage(message)),
    abandon: () => settle("giving a message back", false, () => sdk.abandonMessage(message)),
    deadLetter: (reason, description) =>
      settle("dead-lettering a message", false, () =>
        sdk.deadLetterMessage(message, {
          deadLetterReason: reason.slice(0, DEAD_LETTER_TEXT_MAX_LENGTH),
          deadLetterErrorDescription: description.slice(0, DEAD_LETTER_TEXT_MAX_LENGTH),
        }),
      ),
  };
}

async function inTime<T>(renewal: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new UnavailableError("BusUnavailable", "Service Bus did not answer a renewal in time."));
    }, RENEW_WITHIN_MS);
  });
  try {
    return await Promise.race([renewal, late]);
  } finally {
    clearTimeout(timer);
  }
}
