/** Delivers waiting messages to receivers with credit, or forwards them where the entity forwards. */
import type { EngineContext } from "./context.ts";
import { LIMITS } from "./descriptions.ts";
import { BusError, entityNotFound } from "./errors.ts";
import { send } from "./intake.ts";
import type { MessageStore } from "./store/message-store.ts";
import { toReceived, type MessageLock, type StoredMessage } from "./message.ts";
import type { Receiver } from "./store/receivers.ts";
import { grantSessions } from "./sessions.ts";
import { deadLetter } from "./settlement.ts";

/** Moves everything that can move now. */
export function dispatch(context: EngineContext, store: MessageStore): void {
  const { forwardTo, status, requiresSession } = store.options;
  if (forwardTo !== undefined) {
    forwardAll(context, store, forwardTo);
    return;
  }
  if (status === "Disabled" || status === "ReceiveDisabled") return;
  if (requiresSession) {
    grantSessions(context, store);
    for (const [sessionId, receiver] of store.receivers.holders) deliverSession(context, store, sessionId, receiver);
    return;
  }
  for (;;) {
    const message = store.available.peek();
    if (!message) return;
    const receiver = store.receivers.next();
    if (!receiver) return;
    const until = context.now + store.options.lockMs;
    handOut(context, store, receiver, message, until);
  }
}

function deliverSession(context: EngineContext, store: MessageStore, sessionId: string, receiver: Receiver): void {
  const session = store.sessions.get(sessionId);
  while (session?.lock && receiver.credit > 0) {
    const message = session.available.peek();
    if (!message) return;
    handOut(context, store, receiver, message, session.lock.until);
  }
}

function handOut(
  context: EngineContext,
  store: MessageStore,
  receiver: Receiver,
  message: StoredMessage,
  until: number,
): void {
  receiver.credit--;
  store.lastUsedAt = context.now;
  if (receiver.receiveAndDelete) {
    const delivery = toReceived(message, undefined);
    context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
    receiver.deliver(delivery);
  } else {
    receiver.deliver(toReceived(message, lock(context, store, message, until)));
  }
}

/** Locks a message until the given instant. */
export function lock(context: EngineContext, store: MessageStore, message: StoredMessage, until: number): MessageLock {
  const token = context.newLockToken();
  context.emit({ type: "locked", queue: store.key, seq: message.sequenceNumber, token, until });
  return { token, until };
}

/** https://learn.microsoft.com/azure/service-bus-messaging/service-bus-auto-forwarding */
function forwardAll(context: EngineContext, store: MessageStore, forwardTo: string): void {
  for (let message = nextWaiting(store); message; message = nextWaiting(store)) {
    if (message.hops >= LIMITS.hops) {
      const reason = "MaxTransferHopCountExceeded";
      const description = `The message was forwarded ${LIMITS.hops} times, which is the limit.`;
      deadLetter(context, store, message, { reason, description }, store.deadLetters ?? store.transferDeadLetters);
    } else {
      forward(context, store, message, forwardTo);
    }
  }
}

function nextWaiting(store: MessageStore): StoredMessage | undefined {
  if (!store.options.requiresSession) return store.available.peek();
  return store.sessions.nextFree()?.available.peek();
}

function forward(context: EngineContext, store: MessageStore, message: StoredMessage, forwardTo: string): void {
  const target = context.entities.find(forwardTo);
  const source = store.path.replace(/\/\$DeadLetterQueue$/, "");
  try {
    if (!target) throw entityNotFound(forwardTo);
    send(context, target, [
      {
        body: message.body,
        messageId: message.messageId,
        hops: message.hops + 1,
        enqueuedSequenceNumber: message.enqueuedSequenceNumber,
        ...(message.sessionId !== undefined && { sessionId: message.sessionId }),
        ...(message.timeToLiveMs !== undefined && { timeToLiveMs: message.timeToLiveMs }),
        ...(source !== store.path && { deadLetterSource: source }),
      },
    ]);
    context.emit({ type: "removed", queue: store.key, seq: message.sequenceNumber });
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    // A message that cannot be forwarded must not block the messages behind it.
    const cause = { reason: error.code, description: error.message };
    deadLetter(context, store, message, cause, store.transferDeadLetters);
  }
}
