/** Locks and states of sessions. https://learn.microsoft.com/azure/service-bus-messaging/message-sessions */
import type { EngineContext } from "./context.ts";
import { BusError } from "./errors.ts";
import type { MessageStore } from "./store/message-store.ts";
import type { Receiver, SessionWaiter } from "./store/receivers.ts";
import type { Session } from "./store/waiting-messages.ts";
import { returnMessage } from "./settlement.ts";

const sessionLockLost = (sessionId: string): BusError =>
  new BusError("session-lock-lost", `The lock on session '${sessionId}' has expired or was never held.`);

/**
 * Requests a session. `waiter.granted` is called when a session is free, which may be at once.
 *
 * @throws BusError `session-cannot-be-locked` when the named session is held by another receiver.
 */
export function acceptSession(context: EngineContext, store: MessageStore, waiter: SessionWaiter): void {
  const { sessionId } = waiter;
  if (sessionId !== undefined && store.sessions.get(sessionId)?.lock) {
    throw new BusError(
      "session-cannot-be-locked",
      `The requested session '${sessionId}' cannot be accepted. It may be locked by another receiver.`,
    );
  }
  store.lastUsedAt = context.now;
  store.receivers.waiters.add(waiter);
  context.touch(store);
}

/** Gives free sessions to the waiting receivers, in the order of their requests. */
export function grantSessions(context: EngineContext, store: MessageStore): void {
  for (const waiter of store.receivers.waiters) {
    const sessionId = waiter.sessionId ?? store.sessions.nextFree()?.id;
    if (sessionId === undefined || store.sessions.get(sessionId)?.lock) continue;
    const until = context.now + store.options.lockMs;
    context.emit({ type: "session-locked", queue: store.key, sessionId, token: context.newLockToken(), until });
    store.receivers.waiters.delete(waiter);
    store.receivers.holders.set(sessionId, waiter.receiver);
    waiter.granted(sessionId, until);
  }
}

/** @returns the instant the renewed lock ends. @throws BusError `session-lock-lost` */
export function renewSessionLock(context: EngineContext, store: MessageStore, sessionId: string): number {
  const session = store.sessions.get(sessionId);
  if (!session?.lock) throw sessionLockLost(sessionId);
  const until = context.now + store.options.lockMs;
  context.emit({ type: "session-locked", queue: store.key, sessionId, token: session.lock.token, until });
  return until;
}

/** Frees the session of a receiver that has ended. Its unsettled messages do not count as delivered. */
export function closeSession(context: EngineContext, store: MessageStore, receiver: Receiver): void {
  for (const [sessionId, holder] of store.receivers.holders) {
    if (holder === receiver) endSession(context, store, sessionId, { countsAsDelivery: false });
  }
}

/**
 * The delivery count of unsettled messages grows when a session lock expires, not when the session is closed.
 * https://learn.microsoft.com/azure/service-bus-messaging/message-sessions#impact-of-delivery-count
 */
export function expireSession(context: EngineContext, store: MessageStore, session: Session): void {
  const holder = store.receivers.holders.get(session.id);
  endSession(context, store, session.id, { countsAsDelivery: true });
  holder?.ended(sessionLockLost(session.id));
}

function endSession(
  context: EngineContext,
  store: MessageStore,
  sessionId: string,
  options: { readonly countsAsDelivery: boolean },
): void {
  store.receivers.holders.delete(sessionId);
  const held = [...store.locked.values()].filter((message) => message.sessionId === sessionId);
  for (const message of held) returnMessage(context, store, message, options);
  context.emit({ type: "session-released", queue: store.key, sessionId });
  context.touch(store);
}

/** @throws BusError `session-lock-lost` when no receiver holds the session. */
export function setSessionState(
  context: EngineContext,
  store: MessageStore,
  sessionId: string,
  state: Uint8Array | undefined,
): void {
  if (!store.sessions.get(sessionId)?.lock) throw sessionLockLost(sessionId);
  context.emit({ type: "session-state", queue: store.key, sessionId, ...(state && { body: state }) });
}
