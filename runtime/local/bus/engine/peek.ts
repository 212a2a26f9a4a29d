/** Looking at messages without receiving them. https://learn.microsoft.com/azure/service-bus-messaging/message-browsing */
import type { MessageStore } from "./message-store.ts";
import { toDelivery, type Delivery } from "./message.ts";

export interface PeekRange {
  /** The first sequence number to look at. */
  readonly from: number;
  readonly count: number;
  /** Only messages of this session. */
  readonly sessionId?: string;
}

/** Messages of any status, locked ones too, in the order of their sequence numbers. */
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
