/**
 * The connections of clients that follow events: their number, a heartbeat for each, and their end: when the caller loses
 * its rights, after a time limit, or with the process.
 */
import {
  FOLLOW_EVENTS_MAX_MS,
  FOLLOWER_HEARTBEAT_MS,
  FOLLOWERS_MAX_COUNT,
  FOLLOWERS_PER_CALLER_DEFAULT,
} from "../../core/limits.ts";
import { createShares, type Shares } from "../http/rate-limit.ts";
import type { Clock } from "../../core/clock.ts";

export interface Connection {
  /** Sends a heartbeat. */
  beat(): void;
  /** Checked with every heartbeat. False or an error ends the connection. */
  mayGoOn(): Promise<boolean>;
  /** Closes the connection in order. The client may reconnect at once. */
  end(): void;
}

export interface Connections extends Shares {
  /** For a connection that has taken its place. Call the returned function when the connection has ended. */
  watch(connection: Connection): () => void;
  /** Ends all, and every one that is watched later. */
  close(): void;
}

export interface ConnectionsDeps {
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
  /** Default FOLLOWERS_MAX_COUNT. */
  readonly maxCount?: number;
  /** Default FOLLOWERS_PER_CALLER_DEFAULT. */
  readonly maxPerCaller?: number;
  /** Default FOLLOWER_HEARTBEAT_MS. */
  readonly heartbeatMs?: number;
}

export function createConnections({
  monotonicNow,
  maxCount = FOLLOWERS_MAX_COUNT,
  maxPerCaller = FOLLOWERS_PER_CALLER_DEFAULT,
  heartbeatMs = FOLLOWER_HEARTBEAT_MS,
}: ConnectionsDeps): Connections {
  const shares = createShares({ what: "followers of events", maxCount, maxPerCaller });
  const openedAt = new Map<Connection, number>();
  let closed = false;

  async function review(connection: Connection): Promise<void> {
    const mayGoOn = await connection.mayGoOn().catch(() => false);
    if (!mayGoOn && openedAt.has(connection)) connection.end();
  }

  // One timer for all. It does not keep the process alive.
  const timer = setInterval(() => {
    const oldest = monotonicNow() - FOLLOW_EVENTS_MAX_MS;
    for (const [connection, at] of openedAt) {
      if (at < oldest) {
        connection.end();
      } else {
        connection.beat();
        void review(connection);
      }
    }
  }, heartbeatMs).unref();

  return {
    get count() {
      return shares.count;
    },
    take: (callerKey) => shares.take(callerKey),
    watch(connection) {
      openedAt.set(connection, monotonicNow());
      if (closed) connection.end();
      return () => void openedAt.delete(connection);
    },
    close() {
      closed = true;
      clearInterval(timer);
      for (const connection of openedAt.keys()) connection.end();
    },
  };
}
