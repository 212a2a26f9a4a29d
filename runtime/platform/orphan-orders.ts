/** What a supervisor tells each of its programs beforehand: how to stop when the supervisor is gone. */

export interface OrphanOrders {
  readonly type: "orphan-orders";
  /** Process ids of the programs that need this one: it stops when they have ended. */
  readonly stopAfter: readonly number[];
  /** A program that has not stopped by then ends at once. */
  readonly graceMs: number;
}

export const isOrphanOrders = (message: unknown): message is OrphanOrders =>
  typeof message === "object" && message !== null && "type" in message && message.type === "orphan-orders";
