/** Deleting messages without receiving them. https://learn.microsoft.com/azure/service-bus-messaging/batch-delete */
import type { EngineContext } from "./context.ts";
import type { MessageStore } from "./message-store.ts";

export interface DeleteRange {
  readonly count: number;
  /** Only messages enqueued before this instant (epoch milliseconds). */
  readonly enqueuedBefore: number;
  /** Only messages of this session. */
  readonly sessionId?: string;
}

/**
 * Deletes waiting messages, oldest first. Locked, deferred and scheduled ones stay.
 *
 * @returns how many it were.
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
