/**
 * Receives all events on a subscription of this process. The first call creates the subscription, and closing deletes
 * it. After a crash the broker deletes it. The broker removes a message when it sends it, because each settlement would
 * be an operation that Azure bills. So a lost connection can lose messages, and every new link is reported as a gap.
 */
import type {
  ProcessErrorArgs,
  ServiceBusAdministrationClient,
  ServiceBusClient,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
} from "@azure/service-bus";
import { messageOf, UnreadableError } from "../../core/errors.ts";
import { parseEvent } from "../../core/job/events.ts";
import type { Logger } from "../../core/logger.ts";
import type { EventSource } from "../../core/ports/event-channel.ts";
import type { OnUnreadable } from "../../core/ports/stored.ts";
import { EVENTS_TOPIC, eventSubscription } from "../../core/deployment/topology.ts";
import { retryBusCall } from "./retry-bus-call.ts";
import { busError, isEntityExisting } from "../translate-error.ts";

export interface EventSourceDeps {
  /** Reconnects its receivers by itself. The source owns it: closing closes it. */
  readonly bus: ServiceBusClient;
  readonly admin: ServiceBusAdministrationClient;
  /** Of the subscription, unique per process. At most 50 letters, digits, dots, hyphens. */
  readonly name: string;
  /** Called for messages that this release cannot read. */
  readonly onUnreadable: OnUnreadable;
  readonly log: Logger;
}

/** Enough to hide the latency to another data centre. */
const CONCURRENT_MESSAGES = 200;

export function createEventSource({ bus, admin, name, onUnreadable, log }: EventSourceDeps): EventSource {
  let receiver: ServiceBusReceiver | undefined;
  let creating: Promise<void> | undefined;
  let closed = false;

  /** False: it exists. */
  async function create(): Promise<boolean> {
    const { lockMs = 0, timeToLiveMs = 0, autoDeleteOnIdleMs = 0 } = eventSubscription(name);
    try {
      await admin.createSubscription(EVENTS_TOPIC, name, {
        lockDuration: duration(lockMs),
        defaultMessageTimeToLive: duration(timeToLiveMs),
        autoDeleteOnIdle: duration(autoDeleteOnIdleMs),
      });
      return true;
    } catch (error) {
      if (isEntityExisting(error)) return false;
      throw error;
    }
  }

  /**
   * After an outage in which the idle subscription expired, or after the broker lost its data. The link that the SDK
   * opens next reports the gap.
   */
  async function createAgain(): Promise<void> {
    try {
      if (await create())
        log.warn({ subscription: name }, "the subscription for events was missing and has been created again");
      else log.warn({ subscription: name }, "the broker does not find the subscription for events, although it exists");
    } catch (error) {
      log.warn(
        { error: messageOf(busError(error, "subscribing to events")) },
        "the subscription for events cannot be created; trying again",
      );
    } finally {
      creating = undefined;
    }
  }

  return {
    async listen(onEvent, onGap) {
      await retryBusCall("subscribing to events", create);
      receiver = bus.createReceiver(EVENTS_TOPIC, name, { receiveMode: "receiveAndDelete" });
      let linkCount = 0;
      const handlers = {
        /**
         * The SDK calls it for every link that it opens, before the link may receive. Its types do not contain it. It is
         * the only sign of a lost connection that is not reported as an error.
         */
        postInitialize: () => {
          if (++linkCount > 1) onGap();
          return Promise.resolve();
        },
        processMessage: (message: ServiceBusReceivedMessage) => {
          const { messageId } = message;
          const parsed = parseEvent(message.body);
          // A message that cannot be read is of another release or another sender.
          if (parsed.ok) onEvent({ id: String(messageId), event: parsed.event });
          else onUnreadable(String(messageId), new UnreadableError("event", parsed.reason));
          return Promise.resolve();
        },
        processError: ({ error, errorSource }: ProcessErrorArgs) => {
          if (closed) return Promise.resolve();
          if (codeOf(error) === "MessagingEntityNotFound") creating ??= createAgain();
          else
            log.warn({ errorSource, error: messageOf(busError(error, "receiving events")) }, "receiving events failed");
          return creating ?? Promise.resolve();
        },
      };
      // It reconnects by itself, without a limit.
      receiver.subscribe(handlers, { maxConcurrentCalls: CONCURRENT_MESSAGES });
    },
    async close() {
      if (closed) return;
      closed = true;
      // Failures are ignored: the link ends with its connection, and the broker deletes an idle subscription.
      await receiver?.close().catch(() => undefined);
      await admin.deleteSubscription(EVENTS_TOPIC, name).catch(() => undefined);
      await bus.close().catch(() => undefined);
    },
  };
}

const duration = (ms: number): string => `PT${ms / 1_000}S`;

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
