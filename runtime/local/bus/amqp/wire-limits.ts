/** Bounds of the AMQP front. */
export const WIRE_LIMITS = {
  /** The service's frame size. */
  frameBytes: 65_536,
  /** One message or batch. Standard takes 256 KB, Premium 1 MB by default; we take the larger so that a batch of the SDK fits. */
  messageBytes: 1_048_576,
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
} as const;
