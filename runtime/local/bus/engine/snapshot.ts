/** The shortest list of records that rebuilds the current state. */
import type { Entity, EntityDirectory } from "./entities.ts";
import type { MessageStore } from "./store/message-store.ts";
import type { StoredMessage } from "./message.ts";
import type { BrokerRecord } from "./records.ts";

export function* snapshot(entities: EntityDirectory): IterableIterator<BrokerRecord> {
  for (const entity of entities.all()) {
    yield* entityRecords(entity);
    for (const store of entities.storesOf(entity)) yield* storeRecords(store);
  }
}

function* entityRecords(entity: Entity): IterableIterator<BrokerRecord> {
  const { createdAt, updatedAt } = entity;
  switch (entity.kind) {
    case "queue":
      yield { type: "queue-set", description: entity.description, createdAt, updatedAt };
      break;
    case "topic":
      yield { type: "topic-set", description: entity.description, createdAt, updatedAt };
      break;
    case "subscription":
      yield {
        ...{ type: "subscription-set", topic: entity.topic.path, createdAt, updatedAt },
        description: entity.description,
      };
      for (const rule of entity.rules.values()) {
        yield { type: "rule-set", subscription: entity.path, rule: rule.description };
      }
      return;
  }
  for (const [messageId, at] of entity.history.entries()) yield { type: "seen", entity: entity.path, messageId, at };
}

function* storeRecords(store: MessageStore): IterableIterator<BrokerRecord> {
  const queue = store.key;
  yield { type: "sequence", queue, last: store.lastSequenceNumber };
  for (const session of store.sessions.all()) {
    const { id: sessionId, lock, state } = session;
    if (lock) yield { type: "session-locked", queue, sessionId, ...lock };
    if (state) yield { type: "session-state", queue, sessionId, body: state };
  }
  for (const message of store.messages.values()) yield added(queue, message);
  // After the messages, in the order in which the locks end.
  for (const { sequenceNumber: seq, lock } of store.locked.values()) {
    if (lock) yield { type: "locked", queue, seq, ...lock };
  }
}

const added = (queue: string, message: StoredMessage): BrokerRecord => ({
  type: "added",
  queue,
  seq: message.sequenceNumber,
  enqueuedSeq: message.enqueuedSequenceNumber,
  messageId: message.messageId,
  enqueuedAt: message.enqueuedAt,
  status: message.status,
  body: message.body,
  hops: message.hops,
  deliveryCount: message.deliveryCount,
  ...(message.sessionId !== undefined && { sessionId: message.sessionId }),
  ...(message.expiresAt !== Infinity && { expiresAt: message.expiresAt }),
  ...(message.timeToLiveMs !== undefined && { timeToLiveMs: message.timeToLiveMs }),
  ...(message.scheduledAt !== undefined && { scheduledAt: message.scheduledAt }),
  ...(message.deadLetterSource !== undefined && { deadLetterSource: message.deadLetterSource }),
  ...(message.wasScheduled && { wasScheduled: true }),
});
