/** Ends deliveries: complete, abandon, defer, dead-letter, expired locks and expired messages. */
import type { EngineContext } from "./context.ts";
import { BusError, lockLost } from "./errors.ts";
import type { MessageStore } from "./store/message-store.ts";
import type { PropertyChanges, StoredMessage } from "./message.ts";

/** A receiver's decision about a message that it has locked. `changes` are set on its application properties. */
export type Settlement =
  | { readonly kind: "complete" }
  | { readonly kind: "abandon"; readonly changes?: PropertyChanges }
  /** Returned unseen. It does not count as a delivery. */
  | { readonly kind: "release" }
  | { readonly kind: "defer"; readonly changes?: PropertyChanges }
  | {
      readonly kind: "dead-letter";
      readonly reason?: string;
      readonly description?: string;
      readonly changes?: PropertyChanges;
    };

/** @throws BusError `message-lock-lost` when the token locks no message here (any more). */
export function settle(context: EngineContext, store: MessageStore, token: string, settlement: Settlement): void {
  const message = store.locked.get(token);
  if (!message) throw lockLost();
  store.lastUsedAt = context.now;
  switch (settlement.kind) {
    case "complete":
      context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
      return;
    case "abandon":
      returnMessage(context, store, message, { countsAsDelivery: true, changes: settlement.changes });
      return;
    case "release":
      returnMessage(context, store, message, { countsAsDelivery: false });
      return;
    case "defer": {
      const body = changedBody(context, message, settlement.changes);
      const deliveryCount = countAfter(store, message);
      context.emit({
        ...{ type: "deferred", queue: store.key, seq: message.sequenceNumber, deliveryCount },
        ...(body && { body }),
      });
      // It may have expired while it was locked.
      if (message.expiresAt <= context.now) expire(context, store, message);
      return;
    }
    case "dead-letter":
      if (!store.deadLetters) {
        throw new BusError("not-allowed", "A message in a dead-letter queue cannot be dead-lettered again.");
      }
      deadLetter(context, store, message, settlement);
      return;
  }
}

/** @returns the instant the renewed lock ends. @throws BusError `message-lock-lost` */
export function renewLock(context: EngineContext, store: MessageStore, token: string): number {
  const message = store.locked.get(token);
  if (!message || store.options.requiresSession) throw lockLost();
  store.lastUsedAt = context.now;
  const until = context.now + store.options.lockMs;
  context.emit({ type: "renewed", queue: store.key, token, until });
  return until;
}

/** Deliveries including the one that ends now. In a dead-letter queue the count does not change. */
const countAfter = ({ deadLetters }: MessageStore, { deliveryCount }: StoredMessage): number =>
  deadLetters === undefined ? deliveryCount : deliveryCount + 1;

interface ReturnOptions {
  /**
   * True for an abandoned message and an expired lock. False when the link ended before.
   * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues#maximum-delivery-count
   */
  readonly countsAsDelivery: boolean;
  readonly changes?: PropertyChanges | undefined;
}

/** Ends a lock. The message waits again, or it is dead-lettered after its last delivery, or it has expired. */
export function returnMessage(
  context: EngineContext,
  store: MessageStore,
  message: StoredMessage,
  { countsAsDelivery, changes }: ReturnOptions,
): void {
  const deliveryCount = countsAsDelivery ? countAfter(store, message) : message.deliveryCount;
  const body = changedBody(context, message, changes);
  context.emit({
    ...{ type: "released", queue: store.key, seq: message.sequenceNumber, deliveryCount },
    ...(body && { body }),
  });
  const { maxDeliveryCount } = store.options;
  if (message.expiresAt <= context.now) {
    expire(context, store, message);
  } else if (message.status === "active" && deliveryCount >= maxDeliveryCount) {
    deadLetter(context, store, message, {
      reason: "MaxDeliveryCountExceeded",
      description: `Message could not be consumed after ${maxDeliveryCount} delivery attempts.`,
    });
  } else {
    context.touch(store);
  }
}

/** https://learn.microsoft.com/azure/service-bus-messaging/message-expiration */
export function expire(context: EngineContext, store: MessageStore, message: StoredMessage): void {
  if (store.options.deadLetterOnExpiry && store.deadLetters) {
    deadLetter(context, store, message, {
      reason: "TTLExpiredException",
      description: "The message expired and was dead lettered.",
    });
  } else {
    context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
  }
}

export interface DeadLetterCause {
  readonly reason?: string;
  readonly description?: string;
  readonly changes?: PropertyChanges;
}

export function deadLetter(
  context: EngineContext,
  store: MessageStore,
  message: StoredMessage,
  cause: DeadLetterCause,
  target = store.deadLetters,
): void {
  if (!target) throw new Error(`${store.path} has no dead-letter queue`);
  context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
  addDeadLetter(context, target, message, cause);
}

/** The fields of a message that dead-lettering keeps. */
type DeadLettered = Pick<StoredMessage, "enqueuedAt" | "body" | "messageId"> &
  Partial<Pick<StoredMessage, "enqueuedSequenceNumber" | "sessionId" | "timeToLiveMs" | "hops" | "deliveryCount">>;

export function addDeadLetter(
  context: EngineContext,
  target: MessageStore,
  message: DeadLettered,
  { reason, description, changes }: DeadLetterCause,
): void {
  const body = context.codec.withApplicationProperties(message.body, {
    ...changes,
    ...(reason !== undefined && { DeadLetterReason: reason }),
    ...(description !== undefined && { DeadLetterErrorDescription: description }),
  });
  context.emit({
    type: "added",
    queue: target.key,
    seq: target.lastSequenceNumber + 1,
    messageId: message.messageId,
    enqueuedAt: message.enqueuedAt,
    status: "active",
    body,
    ...(message.enqueuedSequenceNumber !== undefined && { enqueuedSeq: message.enqueuedSequenceNumber }),
    ...(message.sessionId !== undefined && { sessionId: message.sessionId }),
    ...(message.timeToLiveMs !== undefined && { timeToLiveMs: message.timeToLiveMs }),
    ...(message.hops !== undefined && { hops: message.hops }),
    ...(message.deliveryCount !== undefined && { deliveryCount: message.deliveryCount }),
  });
  context.touch(target);
}

function changedBody(
  context: EngineContext,
  message: StoredMessage,
  changes: PropertyChanges | undefined,
): Uint8Array | undefined {
  if (!changes || Object.keys(changes).length === 0) return undefined;
  return context.codec.withApplicationProperties(message.body, changes);
}
