/** Accepts messages: checks, duplicate detection, scheduling, and copies from a topic to its subscriptions. */
import type { EngineContext } from "./context.ts";
import type { Entity, QueueEntity, SubscriptionEntity, TopicEntity } from "./entities.ts";
import { BusError } from "./errors.ts";
import type { MessageStore } from "./store/message-store.ts";
import type { FilterableMessage, IncomingMessage, MessageEdits } from "./message.ts";
import { addDeadLetter } from "./settlement.ts";

/** A message that enters an entity, with what it keeps from an entity before. */
export interface Transit extends IncomingMessage {
  readonly hops?: number;
  readonly enqueuedSequenceNumber?: number;
  readonly deadLetterSource?: string;
  readonly wasScheduled?: true;
}

/**
 * Accepts all of the messages or none. A message whose MessageId was accepted within the duplicate detection window is
 * acknowledged and dropped. https://learn.microsoft.com/azure/service-bus-messaging/duplicate-detection
 *
 * @returns their sequence numbers, 0 for a duplicate.
 * @throws BusError `entity-disabled`, `not-allowed` (a session id is missing), `quota-exceeded`
 */
export function send(context: EngineContext, entity: Entity, messages: readonly Transit[]): number[] {
  if (entity.kind === "subscription") {
    throw new BusError("not-allowed", `'${entity.path}' is a subscription: send to its topic.`);
  }
  checkAccepts(entity, messages);
  entity.store.lastUsedAt = context.now;
  return messages.map((message) => (isDuplicate(context, entity, message) ? 0 : enter(context, entity, message)));
}

function checkAccepts({ path, store, kind }: QueueEntity | TopicEntity, messages: readonly Transit[]): void {
  const { status, requiresSession, maxBytes } = store.options;
  if (status === "Disabled" || status === "SendDisabled") {
    throw new BusError("entity-disabled", `The messaging entity '${path}' is disabled for sending.`);
  }
  if (kind === "queue" && requiresSession && messages.some(({ sessionId }) => sessionId === undefined)) {
    throw new BusError("not-allowed", `'${path}' requires sessions: a message without a session id was sent to it.`);
  }
  const incoming = messages.reduce((sum, { body }) => sum + body.length, 0);
  if (store.bytes + incoming > maxBytes) {
    throw new BusError("quota-exceeded", `The messaging entity '${path}' has reached its maximum size.`);
  }
}

function isDuplicate(context: EngineContext, entity: QueueEntity | TopicEntity, { messageId }: Transit): boolean {
  const windowMs = entity.store.options.duplicateWindowMs;
  if (windowMs === undefined) return false;
  if (entity.history.has(messageId, context.now, windowMs)) return true;
  context.emit({ type: "seen", entity: entity.store.key, messageId, at: context.now });
  return false;
}

function enter(context: EngineContext, entity: QueueEntity | TopicEntity, message: Transit): number {
  const { store } = entity;
  const seq = store.lastSequenceNumber + 1;
  const scheduled = message.scheduledAt !== undefined && message.scheduledAt > context.now;
  if (entity.kind === "topic" && !scheduled) {
    context.emit({ type: "sequence", queue: store.key, last: seq });
    publish(context, entity, { ...message, enqueuedSequenceNumber: message.enqueuedSequenceNumber ?? seq });
    return seq;
  }
  place(context, store, message, scheduled ? "scheduled" : "active");
  return seq;
}

/** Copies a message to every subscription that has a matching rule. */
export function publish(context: EngineContext, topic: TopicEntity, message: Transit): void {
  const filterable = context.codec.filterable(message.body);
  const limitMs = topic.store.options.timeToLiveMs;
  const copy =
    limitMs === Infinity ? message : { ...message, timeToLiveMs: Math.min(message.timeToLiveMs ?? Infinity, limitMs) };
  for (const subscription of topic.subscriptions.values()) {
    for (const each of copiesFor(context, subscription, copy, filterable)) arrive(context, subscription.store, each);
  }
}

/**
 * One copy for all matching rules without an action, and one for each with an action.
 * https://learn.microsoft.com/azure/service-bus-messaging/topic-filters#actions
 */
function copiesFor(
  context: EngineContext,
  { rules }: SubscriptionEntity,
  message: Transit,
  filterable: FilterableMessage,
): Transit[] {
  const matching = [...rules.values()].filter((rule) => rule.matches(filterable));
  const plain = matching.some(({ act }) => act === undefined) ? [message] : [];
  return [...plain, ...matching.flatMap(({ act }) => (act ? [edited(context, message, act(filterable))] : []))];
}

function edited(context: EngineContext, message: Transit, edits: MessageEdits): Transit {
  const { sessionId, ...rest } = message;
  const newSessionId = edits.system.has("sessionid") ? edits.system.get("sessionid") : sessionId;
  return {
    ...rest,
    body: context.codec.withEdits(message.body, edits),
    messageId: edits.system.get("messageid") ?? message.messageId,
    ...(newSessionId !== undefined && { sessionId: newSessionId }),
  };
}

function arrive(context: EngineContext, store: MessageStore, message: Transit): void {
  if (store.options.requiresSession && message.sessionId === undefined && store.deadLetters) {
    const reason = "Session ID is null.";
    addDeadLetter(context, store.deadLetters, { ...message, enqueuedAt: context.now }, { reason, description: reason });
  } else {
    place(context, store, message, "active");
  }
}

/** Adds a message to a store under the next sequence number. */
export function place(
  context: EngineContext,
  store: MessageStore,
  message: Transit,
  status: "active" | "scheduled",
): void {
  // The entity's setting is the default and the maximum. The time runs from when the message can be received.
  // https://learn.microsoft.com/azure/service-bus-messaging/message-expiration#entity-level-expiration
  const timeToLiveMs = Math.min(message.timeToLiveMs ?? Infinity, store.options.timeToLiveMs);
  const expires = status === "active" && timeToLiveMs !== Infinity;
  context.emit({
    type: "added",
    queue: store.key,
    seq: store.lastSequenceNumber + 1,
    messageId: message.messageId,
    enqueuedAt: context.now,
    status,
    body: message.body,
    ...(message.enqueuedSequenceNumber !== undefined && { enqueuedSeq: message.enqueuedSequenceNumber }),
    ...(message.sessionId !== undefined && { sessionId: message.sessionId }),
    ...(timeToLiveMs !== Infinity && { timeToLiveMs }),
    ...(expires && { expiresAt: context.now + timeToLiveMs }),
    ...(status === "scheduled" && message.scheduledAt !== undefined && { scheduledAt: message.scheduledAt }),
    ...(message.hops !== undefined && { hops: message.hops }),
    ...(message.deadLetterSource !== undefined && { deadLetterSource: message.deadLetterSource }),
    ...(message.wasScheduled && { wasScheduled: true }),
  });
  if (status === "active") context.touch(store);
}

/** Cancels all or none. @throws BusError `message-not-found` when one of them is not scheduled here (any more). */
export function cancelScheduled(context: EngineContext, store: MessageStore, sequenceNumbers: readonly number[]): void {
  for (const seq of sequenceNumbers) {
    if (store.messages.get(seq)?.status !== "scheduled") {
      throw new BusError("message-not-found", `No message is scheduled under sequence number ${seq}.`);
    }
  }
  for (const seq of new Set(sequenceNumbers)) context.emit({ type: "removed", queue: store.key, seq });
}
