/** What an API, or a worker, of a test needs to tell and to hear events; over the test's bus, or without any. */
import { randomUUID } from "node:crypto";
import { createConnections, type ConnectionsDeps } from "../../runtime/api/events/connections.ts";
import { createFanOut, type FanOutDeps } from "../../runtime/api/events/fan-out.ts";
import { createTickets } from "../../runtime/api/events/tickets.ts";
import {
  connectServiceBus,
  connectServiceBusAdmin,
  createEventPublisher,
  createEventSource,
} from "../../runtime/azure/index.ts";
import type { EventLevel } from "../../runtime/core/events.ts";
import type { EventSource } from "../../runtime/core/ports/event-channel.ts";
import { createJobEvents, type JobEvents } from "../../runtime/jobs/job-events.ts";
import type { LocalServiceBus } from "../../runtime/local/bus/index.ts";
import { silentEvents } from "./silent-events.ts";
import { silentLog } from "./silent-log.ts";

type TestBus = Pick<LocalServiceBus, "connectionString" | "adminConnectionString">;

export const connectionOf = ({ connectionString, adminConnectionString }: TestBus) =>
  ({ kind: "connection-string", serviceBus: connectionString, serviceBusAdmin: adminConnectionString }) as const;

export interface TestPublisher {
  readonly events: JobEvents;
  readonly close: () => Promise<void>;
}

export function publishTo(bus: TestBus | undefined, level: EventLevel = "all"): TestPublisher {
  if (bus === undefined) return { events: silentEvents, close: () => Promise.resolve() };
  const publisher = createEventPublisher({ bus: connectServiceBus(connectionOf(bus)), log: silentLog });
  const events = createJobEvents({ publisher, level, now: () => new Date(), log: silentLog });
  return { events, close: () => publisher.close() };
}

/** A subscription of the caller's own. */
export const hearFrom = (bus: TestBus): EventSource =>
  createEventSource({
    bus: connectServiceBus(connectionOf(bus), { listens: true }),
    admin: connectServiceBusAdmin(connectionOf(bus)),
    name: `test-${randomUUID().slice(0, 8)}`,
    log: silentLog,
  });

export type FollowOptions = Partial<ConnectionsDeps & FanOutDeps>;

/** The followers' side of an API. `key` signs tickets. */
export function followed({ monotonicNow = () => performance.now(), ...options }: FollowOptions = {}, key = "test") {
  return {
    fanOut: createFanOut({ monotonicNow, ...options }),
    connections: createConnections({ monotonicNow, ...options }),
    tickets: createTickets({ key: () => Promise.resolve(Buffer.from(key)), now: () => new Date() }),
  };
}
