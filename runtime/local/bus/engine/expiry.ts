/** The changes that only time causes: scheduled messages, ended locks, expired messages. And when they are due. */
import type { EngineContext } from "./context.ts";
import { type Transit, place, publish } from "./intake.ts";
import type { StoredMessage } from "./message.ts";
import { expireSession } from "./sessions.ts";
import { expire, returnMessage } from "./settlement.ts";
import { Heap } from "./store/collections.ts";
import type { MessageStore } from "./store/message-store.ts";

/** Does everything in one store that is due by now. */
export function sweep(context: EngineContext, store: MessageStore): void {
  activateScheduled(context, store);
  if (store.options.requiresSession) endSessionLocks(context, store);
  else endLocks(context, store);
  expireMessages(context, store);
}

/** The next instant at which `sweep` has something to do. It may be too early, never too late. */
export function nextDueAt(store: MessageStore): number {
  let due = Math.min(store.scheduled.peek()?.at ?? Infinity, store.expiring.peek()?.at ?? Infinity);
  if (store.options.requiresSession) {
    for (const { lock } of store.sessions.all()) if (lock) due = Math.min(due, lock.until);
    return due;
  }
  for (const { lock } of store.locked.values()) {
    if (lock) due = Math.min(due, lock.until);
    if (!store.mixedLockDurations) break;
  }
  return due;
}

/**
 * A scheduled message is enqueued at its time, with a new sequence number.
 * https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing#scheduled-messages
 */
function activateScheduled(context: EngineContext, store: MessageStore): void {
  for (let next = store.scheduled.peek(); next && next.at <= context.now; next = store.scheduled.peek()) {
    store.scheduled.pop();
    const { message } = next;
    if (!store.holds(message) || message.status !== "scheduled") continue;
    context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
    const transit = toTransit(message);
    const entity = context.entities.find(store.path);
    if (entity?.kind === "topic") {
      const seq = store.lastSequenceNumber + 1;
      context.emit({ type: "sequence", queue: store.key, last: seq });
      publish(context, entity, { ...transit, enqueuedSequenceNumber: seq });
    } else {
      place(context, store, transit, "active");
    }
  }
}

const toTransit = (message: StoredMessage): Transit => ({
  body: message.body,
  messageId: message.messageId,
  hops: message.hops,
  wasScheduled: true,
  ...(message.sessionId !== undefined && { sessionId: message.sessionId }),
  ...(message.timeToLiveMs !== undefined && { timeToLiveMs: message.timeToLiveMs }),
});

function endLocks(context: EngineContext, store: MessageStore): void {
  const ended: StoredMessage[] = [];
  for (const message of store.locked.values()) {
    if (message.lock && message.lock.until <= context.now) ended.push(message);
    else if (!store.mixedLockDurations) break;
  }
  for (const message of ended) returnMessage(context, store, message, { countsAsDelivery: true });
}

function endSessionLocks(context: EngineContext, store: MessageStore): void {
  const ended = [...store.sessions.all()].filter(({ lock }) => lock && lock.until <= context.now);
  for (const session of ended) expireSession(context, store, session);
}

/** A locked message stays with its receiver. `returnMessage` checks its time to live when the lock ends. */
function expireMessages(context: EngineContext, store: MessageStore): void {
  for (let next = store.expiring.peek(); next && next.at <= context.now; next = store.expiring.peek()) {
    store.expiring.pop();
    if (store.holds(next.message) && !next.message.lock) expire(context, store, next.message);
  }
}

interface DueEntry {
  readonly at: number;
  readonly store: MessageStore;
}

/** The stores that need a sweep, by the instant. */
export class DueSchedule {
  readonly #entries = new Heap<DueEntry>((a, b) => a.at - b.at);
  /** The earliest requested instant for each store. A request for a later one adds no entry. */
  readonly #armed = new Map<MessageStore, number>();

  /** Requests a sweep of this store at the given instant. An earlier request stays. */
  arm(store: MessageStore, at: number): void {
    if (at >= (this.#armed.get(store) ?? Infinity)) return;
    this.#armed.set(store, at);
    this.#entries.push({ at, store });
  }

  /** Infinity without requests. It may be too early, never too late. */
  nextAt(): number {
    return this.#entries.peek()?.at ?? Infinity;
  }

  /** Removes and returns a store that is due. The caller arms it again. */
  takeDue(now: number): MessageStore | undefined {
    for (let entry = this.#entries.peek(); entry && entry.at <= now; entry = this.#entries.peek()) {
      this.#entries.pop();
      // An earlier request of the same store has replaced this entry.
      if (this.#armed.get(entry.store) !== entry.at) continue;
      this.#armed.delete(entry.store);
      return entry.store;
    }
    return undefined;
  }
}
