/** Messages as the broker sees them: opaque bytes, the few system properties it acts on, and the state it keeps. */

/** A message from a sender, parsed by the AMQP front. */
export interface IncomingMessage {
  /** The encoded message from its annotations on. It is never changed in place, because copies and the journal share it. */
  readonly body: Uint8Array;
  readonly messageId: string;
  readonly sessionId?: string;
  /** In milliseconds. Absent: the time to live of the entity. */
  readonly timeToLiveMs?: number;
  /** Not to be delivered before this instant (epoch milliseconds). */
  readonly scheduledAt?: number;
}

/**
 * active: waiting or locked · scheduled: waits for its time · deferred: only received by its sequence number.
 * A deferred message keeps that status while it is locked, and returns to it when the lock ends.
 */
export type MessageStatus = "active" | "scheduled" | "deferred";

export interface MessageLock {
  readonly token: string;
  readonly until: number;
}

/** A message at rest in a queue, subscription or dead-letter queue. Only records change it. */
export interface StoredMessage {
  /** Unique in its queue, grows with every message, and never changes while the message stays there. */
  readonly sequenceNumber: number;
  /** Its sequence number in the entity where it first entered the namespace. */
  readonly enqueuedSequenceNumber: number;
  readonly messageId: string;
  readonly sessionId: string | undefined;
  readonly enqueuedAt: number;
  /** When it stops being eligible for delivery; Infinity: never. */
  readonly expiresAt: number;
  readonly timeToLiveMs: number | undefined;
  readonly scheduledAt: number | undefined;
  /** How often auto-forwarding has passed it on. */
  readonly hops: number;
  /** The entity it was dead-lettered from. */
  readonly deadLetterSource: string | undefined;
  /** Whether it was scheduled, here or in the topic. Receivers see the state `scheduled` then. */
  readonly wasScheduled: boolean;
  body: Uint8Array;
  status: MessageStatus;
  /** Earlier deliveries that did not remove it: 0 on the first delivery. */
  deliveryCount: number;
  lock: MessageLock | undefined;
  /** Whether it waits for a receiver. False while locked, deferred or scheduled, and after its removal. */
  available: boolean;
}

/** One message for a receiver, as it was when the broker decided to deliver it. */
export interface Delivery {
  readonly sequenceNumber: number;
  readonly enqueuedSequenceNumber: number;
  readonly enqueuedAt: number;
  readonly timeToLiveMs: number | undefined;
  readonly deadLetterSource: string | undefined;
  readonly body: Uint8Array;
  readonly status: MessageStatus;
  readonly deliveryCount: number;
  /** Absent when the message was only peeked at, or removed on receipt. */
  readonly lock: MessageLock | undefined;
}

/** A message as a receiver gets it. */
export const toReceived = (message: StoredMessage, lock: MessageLock | undefined): Delivery => ({
  ...toDelivery(message, lock),
  ...(message.status === "active" && message.wasScheduled && { status: "scheduled" }),
});

/** A message as it is. */
export const toDelivery = (message: StoredMessage, lock: MessageLock | undefined): Delivery => ({
  sequenceNumber: message.sequenceNumber,
  enqueuedSequenceNumber: message.enqueuedSequenceNumber,
  enqueuedAt: message.enqueuedAt,
  timeToLiveMs: message.timeToLiveMs,
  deadLetterSource: message.deadLetterSource,
  body: message.body,
  status: message.status,
  deliveryCount: message.deliveryCount,
  lock,
});

/** Application properties to set on a message. Values are what the AMQP front can encode. */
export type PropertyChanges = Readonly<Record<string, unknown>>;

/** The properties that filters compare. Absent properties are undefined. */
export interface FilterableMessage {
  /** A system property by its lower-case filter name, for example `messageid` or `label`. */
  system(name: string): unknown;
  application(name: string): unknown;
  /** A new UUID each time, for `newid()`. */
  newId(): string;
}

/** What a rule's action changes in its copy of a message. */
export interface MessageEdits {
  /** Application properties to set; undefined removes one. Names are compared without regard to case. */
  readonly application: ReadonlyMap<string, unknown>;
  /** System properties by their lower-case filter names; undefined removes one. */
  readonly system: ReadonlyMap<string, string | undefined>;
}

/** Reads and rewrites the bytes that the broker does not interpret. */
export interface MessageCodec {
  filterable(body: Uint8Array): FilterableMessage;
  withApplicationProperties(body: Uint8Array, changes: PropertyChanges): Uint8Array;
  withEdits(body: Uint8Array, edits: MessageEdits): Uint8Array;
}
