/** A test's bus for an API or a worker: publishes and receives events, and registers timers. */
import { randomUUID } from "node:crypto";
import {
  connectServiceBus,
  connectServiceBusAdmin,
  createEventPublisher,
  createEventSource,
  createTimerSubscriptions,
} from "../../../runtime/azure/index.ts";
import type { EventLevel } from "../../../runtime/core/job/events.ts";
import type { EventSource } from "../../../runtime/core/ports/event-channel.ts";
import type { OnUnreadable } from "../../../runtime/core/ports/stored.ts";
import type { TimerSubscriptions } from "../../../runtime/core/ports/timer-topic.ts";
import { createJobEvents, type JobEvents } from "../../../runtime/lifecycle/job-events.ts";
import type { LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { silentEvents, silentLog, silentMetrics } from "../silent.ts";

type TestBus = Pick<LocalServiceBus, "connectionString" | "adminConnectionString">;

export const connectionOf = ({ connectionString, adminConnectionString }: TestBus) =>
  ({ kind: "connection-string", serviceBus: connectionString, serviceBusAdmin: adminConnectionString }) as const;

export interface TestPublisher {
  readonly events: JobEvents;
  readonly close: () => Promise<void>;
}

export function publishTo(bus: TestBus | undefined, level: EventLevel = "all", metrics = silentMetrics): TestPublisher {
  if (bus === undefined) return { events: silentEvents, close: () => Promise.resolve() };
  const publisher = createEventPublisher({ bus: connectServiceBus(connectionOf(bus)), metrics, log: silentLog });
  const events = createJobEvents({ publisher, level, metrics, now: () => new Date(), log: silentLog });
  return { events, close: () => publisher.close() };
}

/** A subscription of the caller's own. */
export const hearFrom = (bus: TestBus, onUnreadable: OnUnreadable = () => undefined): EventSource =>
  createEventSource({
    bus: connectServiceBus(connectionOf(bus), { listens: true }),
    admin: connectServiceBusAdmin(connectionOf(bus)),
    name: `test-${randomUUID().slice(0, 8)}`,
    onUnreadable,
    log: silentLog,
  });

export const timerSubscriptionsOf = (bus: TestBus): TimerSubscriptions =>
  createTimerSubscriptions({ admin: connectServiceBusAdmin(connectionOf(bus)) });

export { followed } from "./follow.ts";
