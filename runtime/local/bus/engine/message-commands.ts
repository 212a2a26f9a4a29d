/** Commands on messages that need no receiver link: peek, receive deferred messages, delete. */
import type { EngineContext } from "./context.ts";
import { lock } from "./dispatch.ts";
import { BusError } from "./errors.ts";
import { type Delivery, toDelivery } from "./message.ts";
import type { MessageStore } from "./store/message-store.ts";

export interface PeekRange {
  /** The first sequence number. */
  readonly from: number;
  readonly count: number;
  /** Only messages of this session. */
  readonly sessionId?: string;
}

/**
 * Messages of any status, locked ones too, in the order of their sequence numbers.
 * https://learn.microsoft.com/azure/service-bus-messaging/message-browsing
 */
export function peek(store: MessageStore, { from, count, sessionId }: PeekRange): Delivery[] {
  const found: Delivery[] = [];
  for (const message of store.messages.values()) {
    if (found.length >= count) break;
    if (message.sequenceNumber < from) continue;
    if (sessionId !== undefined && message.sessionId !== sessionId) continue;
    found.push(toDelivery(message, undefined));
  }
  return found;
}

/**
 * Delivers deferred messages by their sequence numbers, all of them or none.
 * https://learn.microsoft.com/azure/service-bus-messaging/message-deferral
 *
 * @throws BusError `message-not-found` when one of them is not deferred here, or locked.
 */
export function receiveDeferred(
  context: EngineContext,
  store: MessageStore,
  sequenceNumbers: readonly number[],
  receiveAndDelete: boolean,
): Delivery[] {
  const messages = [...new Set(sequenceNumbers)].map((seq) => {
    const message = store.messages.get(seq);
    if (message?.status === "deferred" && !message.lock) return message;
    const text = `No deferred message ${seq} can be received. It may not exist or be locked.`;
    throw new BusError("message-not-found", text);
  });
  store.lastUsedAt = context.now;
  return messages.map((message) => {
    if (receiveAndDelete) {
      context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
      return toDelivery(message, undefined);
    }
    const session = store.options.requiresSession ? store.sessions.get(message.sessionId ?? "") : undefined;
    const until = session?.lock?.until ?? context.now + store.options.lockMs;
    return toDelivery(message, lock(context, store, message, until));
  });
}

export interface DeleteRange {
  readonly count: number;
  /** Only messages enqueued before this instant (epoch milliseconds). */
  readonly enqueuedBefore: number;
  /** Only messages of this session. */
  readonly sessionId?: string;
}

/**
 * Deletes waiting messages, oldest first. Locked, deferred and scheduled ones stay.
 * https://learn.microsoft.com/azure/service-bus-messaging/batch-delete
 *
 * @returns their number.
 */
export function deleteMessages(
  context: EngineContext,
  store: MessageStore,
  { count, enqueuedBefore, sessionId }: DeleteRange,
): number {
  store.lastUsedAt = context.now;
  const found: number[] = [];
  for (const message of store.messages.values()) {
    if (found.length >= count) break;
    if (!message.available || message.enqueuedAt >= enqueuedBefore) continue;
    if (sessionId === undefined || message.sessionId === sessionId) found.push(message.sequenceNumber);
  }
  for (const seq of found) context.emit({ type: "removed", queue: store.key, seq });
  return found.length;
}
