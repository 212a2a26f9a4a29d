/**
 * The connections over which clients follow events: how many there may be, a sign of life for each while nothing happens,
 * and their end: after their time, or with the process.
 */
import { TooManyRequestsError } from "../../core/errors.ts";
import { FOLLOW_EVENTS_MAX_MS, FOLLOWER_HEARTBEAT_MS, FOLLOWERS_MAX_COUNT } from "../../core/limits.ts";

export interface Connection {
  /** Sends a sign of life. */
  beat(): void;
  /** Says goodbye and ends; the client may come again at once. */
  end(): void;
}

export interface Connections {
  readonly count: number;
  /** The returned function is to be called when the connection has ended. Throws TooManyRequestsError. */
  add(connection: Connection): () => void;
  /** Ends all, and every one that is added later. */
  close(): void;
}

export interface ConnectionsDeps {
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: () => number;
  /** Default FOLLOWERS_MAX_COUNT. */
  readonly maxCount?: number;
  /** Default FOLLOWER_HEARTBEAT_MS. */
  readonly heartbeatMs?: number;
}

export function createConnections({
  monotonicNow,
  maxCount = FOLLOWERS_MAX_COUNT,
  heartbeatMs = FOLLOWER_HEARTBEAT_MS,
}: ConnectionsDeps): Connections {
  const openedAt = new Map<Connection, number>();
  let closed = false;

  // One timer for all; it alone does not keep the process alive.
  const timer = setInterval(() => {
    const oldest = monotonicNow() - FOLLOW_EVENTS_MAX_MS;
    for (const [connection, at] of openedAt) {
      if (at < oldest) connection.end();
      else connection.beat();
    }
  }, heartbeatMs).unref();

  return {
    get count() {
      return openedAt.size;
    },
    add(connection) {
      if (openedAt.size >= maxCount) {
        throw new TooManyRequestsError(
          `This instance serves ${maxCount} followers of events already; try again later.`,
        );
      }
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
