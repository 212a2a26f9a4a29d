/**
 * Receives bells from one queue and settles them. The link is replaced when it is worn or broken. No
 * message is lost by a replacement or by closing: a late message is given back, or returns when its lock ends.
 */
import type { ServiceBusClient, ServiceBusReceivedMessage } from "@azure/service-bus";
import { InvariantError, LockLostError, UnavailableError } from "../../core/errors.ts";
import { parseMessage } from "../../core/job/message.ts";
import type { BellReceiver, ReceivedMessage } from "../../core/ports/job-queue.ts";
import { busError } from "../translate-error.ts";
import { type ReceiverLink, openLink } from "./receiver-link.ts";
import { retryBusCall } from "./retry-bus-call.ts";

/** At most this many messages per call. The AMQP library keeps 2,048 per link: see receiver-link.ts. */
const RECEIVE_MAX_COUNT = 1_000;
/** Closing waits this long for messages in transit if the broker does not answer. */
const SWEEP_WITHIN_MS = 2_000;

export function createBellReceiver(bus: ServiceBusClient, queue: string): BellReceiver {
  const closing = new AbortController();
  const retired = new Set<ReceiverLink>();
  let link: ReceiverLink | undefined;
  let waiting: Promise<readonly ReceivedMessage[]> = Promise.resolve([]);

  function retire(): void {
    if (link === undefined) return;
    retired.add(link);
    link.retire();
    link = undefined;
    for (const old of retired) {
      old.forgetLapsed();
      if (old.closed) retired.delete(old);
    }
  }

  async function receive(waitMs: number, maxCount: number): Promise<readonly ReceivedMessage[]> {
    if (link?.worn === true) retire();
    const isFresh = link === undefined;
    const startedAt = performance.now();
    link ??= openLink(bus, queue);
    const from = link;
    try {
      const options = { maxWaitTimeInMs: waitMs, abortSignal: closing.signal };
      const messages = await from.sdk.receiveMessages(Math.min(maxCount, RECEIVE_MAX_COUNT), options);
      return messages.map((message) => accept(from, message));
    } catch (error) {
      if (closing.signal.aborted) {
        await sweep(from);
        return [];
      }
      retire();
      if (isFresh) throw busError(error, "receiving");
    }
    // Perhaps only this link was broken: the service closes idle links, for example. Try a new one.
    return receive(Math.max(0, waitMs - (performance.now() - startedAt)), maxCount);
  }

  function accept(from: ReceiverLink, message: ServiceBusReceivedMessage): ReceivedMessage {
    from.received(message);
    return receivedMessageOf(from, message, queue);
  }

  /**
   * The aborted receive has left its credit with the broker, so messages may be in transit. Another receive drains the
   * link: the broker answers when no more messages can come.
   */
  async function sweep({ sdk, worn }: ReceiverLink): Promise<void> {
    if (worn) return;
    try {
      const options = { maxWaitTimeInMs: 1, abortSignal: AbortSignal.timeout(SWEEP_WITHIN_MS) };
      for (const message of await sdk.receiveMessages(1, options)) await sdk.abandonMessage(message);
    } catch {
      // The message returns when its lock ends.
    }
  }

  return {
    receive(waitMs, maxCount) {
      if (closing.signal.aborted) return Promise.resolve([]);
      waiting = receive(waitMs, maxCount);
      return waiting;
    },
    async close() {
      closing.abort();
      await waiting.catch(() => undefined);
      retire();
    },
  };
}

/** The service's limit for the reason and for the description. */
const DEAD_LETTER_TEXT_MAX_LENGTH = 4_096;
/** A slower renewal is given up, so that the caller can try again. */
const RENEW_WITHIN_MS = 5_000;

/** The port's view of a message that was received over a link. */
export function receivedMessageOf(
  link: ReceiverLink,
  message: ServiceBusReceivedMessage,
  queue: string,
): ReceivedMessage {
  const { sdk } = link;
  const { sequenceNumber, lockedUntilUtc, enqueuedTimeUtc } = message;
  if (sequenceNumber === undefined || lockedUntilUtc === undefined || enqueuedTimeUtc === undefined) {
    throw new InvariantError("A message was received without sequence number, time or lock.");
  }

  async function settle(doing: string, isCompletion: boolean, action: () => Promise<void>): Promise<void> {
    try {
      await retryBusCall(doing, () => link.turns.run(isCompletion, action));
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
    sequenceNumber: sequenceNumber.toString(),
    // AMQP counts the deliveries before this one.
    deliveryCount: (message.deliveryCount ?? 0) + 1,
    enqueuedAt: enqueuedTimeUtc.getTime(),
    lockedUntil: lockedUntilUtc.getTime(),
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
