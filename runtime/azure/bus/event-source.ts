/**
 * Hears all events on a subscription of this process's own. The subscription is made by the first call and removed at the
 * end; one whose process died removes itself. Messages are completed one by one, so that a lost connection loses none.
 */
import type { ServiceBusAdministrationClient, ServiceBusClient, ServiceBusReceiver } from "@azure/service-bus";
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
  /** Of the subscription: no two processes may share one. At most 50 letters, digits, dots, hyphens. */
  readonly name: string;
  /** Told of messages that are no events this release knows. */
  readonly onUnreadable: OnUnreadable;
  readonly log: Logger;
}

/** Messages under way: enough to hide the way to another data centre. */
const CONCURRENT_MESSAGES = 200;

export function createEventSource({ bus, admin, name, onUnreadable, log }: EventSourceDeps): EventSource {
  let receiver: ServiceBusReceiver | undefined;
  let creating: Promise<void> | undefined;
  let closed = false;

  async function create(): Promise<void> {
    const { lockMs = 0, timeToLiveMs = 0, autoDeleteOnIdleMs = 0 } = eventSubscription(name);
    try {
      await admin.createSubscription(EVENTS_TOPIC, name, {
        lockDuration: duration(lockMs),
        defaultMessageTimeToLive: duration(timeToLiveMs),
        autoDeleteOnIdle: duration(autoDeleteOnIdleMs),
      });
    } catch (error) {
      if (!isEntityExisting(error)) throw error;
    }
  }

  /** An outage longer than the subscription's patience, or a broker that lost its memory. */
  async function createAgain(onGap: () => void): Promise<void> {
    try {
      await create();
      log.warn({ subscription: name }, "the subscription for events was gone and has been made again");
      onGap();
    } catch (error) {
      log.warn({ error: messageOf(busError(error, "subscribing to events")) }, "cannot hear events; trying again");
    } finally {
      creating = undefined;
    }
  }

  return {
    async listen(onEvent, onGap) {
      await retryBusCall("subscribing to events", create);
      receiver = bus.createReceiver(EVENTS_TOPIC, name, { receiveMode: "peekLock" });
      // Reconnects by itself, for ever.
      receiver.subscribe(
        {
          processMessage: (message) => {
            const { messageId } = message;
            const parsed = parseEvent(message.body);
            // Of another release, or somebody else's: nothing that a repeat could mend.
            if (parsed.ok) onEvent({ id: String(messageId), event: parsed.event });
            else onUnreadable(String(messageId), new UnreadableError("event", parsed.reason));
            return Promise.resolve();
          },
          processError: ({ error, errorSource }) => {
            if (closed) return Promise.resolve();
            if (codeOf(error) === "MessagingEntityNotFound") creating ??= createAgain(onGap);
            else
              log.warn({ errorSource, error: messageOf(busError(error, "hearing events")) }, "hearing events failed");
            return creating ?? Promise.resolve();
          },
        },
        { maxConcurrentCalls: CONCURRENT_MESSAGES },
      );
    },
    async close() {
      if (closed) return;
      closed = true;
      // What cannot be ended properly ends by itself: the link with its connection, the subscription when it is idle.
      await receiver?.close().catch(() => undefined);
      await admin.deleteSubscription(EVENTS_TOPIC, name).catch(() => undefined);
      await bus.close().catch(() => undefined);
    },
  };
}

const duration = (ms: number): string => `PT${ms / 1_000}S`;

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
