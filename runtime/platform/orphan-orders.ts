/** The message of a supervisor to its programs: how to stop if the supervisor dies. */

export interface OrphanOrders {
  readonly type: "orphan-orders";
  /** Process ids of the programs that need this one. It stops after they have ended. */
  readonly stopAfter: readonly number[];
  /** After this time the program is killed. */
  readonly graceMs: number;
}

export const isOrphanOrders = (message: unknown): message is OrphanOrders =>
  typeof message === "object" && message !== null && "type" in message && message.type === "orphan-orders";
