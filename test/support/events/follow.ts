/** The event side of a test's API: connections, fan-out and tickets. */
import { createConnections, type ConnectionsDeps } from "../../../runtime/api/events/connections.ts";
import { createFanOut, type FanOutDeps } from "../../../runtime/api/events/fan-out.ts";
import { createTickets } from "../../../runtime/api/events/tickets.ts";
import { silentMetrics } from "../silent.ts";

export type FollowOptions = Partial<ConnectionsDeps & FanOutDeps>;

/** `key` signs tickets. */
export function followed({ monotonicNow = () => performance.now(), ...options }: FollowOptions = {}, key = "test") {
  return {
    fanOut: createFanOut({ monotonicNow, metrics: silentMetrics, ...options }),
    connections: createConnections({ monotonicNow, ...options }),
    tickets: createTickets({ key: () => Promise.resolve(Buffer.from(key)), now: () => new Date() }),
  };
}
