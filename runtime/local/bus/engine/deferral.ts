/** Receiving deferred messages. https://learn.microsoft.com/azure/service-bus-messaging/message-deferral */
import type { EngineContext } from "./context.ts";
import { lock } from "./dispatch.ts";
import { BusError } from "./errors.ts";
import type { MessageStore } from "./message-store.ts";
import { toDelivery, type Delivery } from "./message.ts";

/**
 * Hands out deferred messages by their sequence numbers: all of them or none.
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
