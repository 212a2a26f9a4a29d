/** The followers' side of a test's API: who is connected, what they are given, and the tickets they come with. */
import { createConnections, type ConnectionsDeps } from "../../../runtime/api/events/connections.ts";
import { createFanOut, type FanOutDeps } from "../../../runtime/api/events/fan-out.ts";
import { createTickets } from "../../../runtime/api/events/tickets.ts";

export type FollowOptions = Partial<ConnectionsDeps & FanOutDeps>;

/** `key` signs tickets. */
export function followed({ monotonicNow = () => performance.now(), ...options }: FollowOptions = {}, key = "test") {
  return {
    fanOut: createFanOut({ monotonicNow, ...options }),
    connections: createConnections({ monotonicNow, ...options }),
    tickets: createTickets({ key: () => Promise.resolve(Buffer.from(key)), now: () => new Date() }),
  };
}
