/** Bounds of the AMQP front. */
export const WIRE_LIMITS = {
  /** The service's frame size. */
  frameBytes: 65_536,
  /** One message, batch or request, unless said otherwise: what the Standard tier takes, which is what we deploy. */
  messageBytes: 262_144,
  /** Unsettled deliveries in one AMQP session, per direction. */
  sessionDeliveries: 16_384,
  /**
   * Messages a client may have on the way on one link. The SDK sleeps a full second when it runs out, so this is well
   * above what it sends at once; topped up at half.
   */
  senderCredit: 5_000,
  managementCredit: 500,
  /** The SDK sends a heartbeat in time for this. */
  idleTimeoutMs: 240_000,
  /** Connections at a time; a further one is closed unheard. Azure takes 1,000 (Basic, Standard) or 5,000. */
  connections: 5_000,
  /** A connection must be open by then, from the first byte of TCP to AMQP's open. The SDK takes milliseconds. */
  openTimeoutMs: 15_000,
  /** An open connection must have brought a token that counts by then, or it is ended, as in Azure. */
  tokenTimeoutMs: 60_000,
  /** The smallest a batched management request may ask for, and the largest it gets. */
  peekCount: 1_000,
  /** Messages that one request may delete. https://learn.microsoft.com/azure/service-bus-messaging/batch-delete */
  deleteCount: 4_000,
} as const;
