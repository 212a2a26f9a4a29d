/**
 * Every change of the broker's state, as data. The journal stores these records, and recovery applies them again. Nothing
 * else may change the state.
 */
import type { QueueDescription, RuleDescription, SubscriptionDescription, TopicDescription } from "./descriptions.ts";
import type { MessageStatus } from "./message.ts";

/**
 * Raise this when an older program would misread what this one writes. The older program then refuses the journal.
 * Version 2 added rule actions, SQL parameters and delivery counts of deferrals.
 */
export const RECORD_VERSION = 2;

/** The versions that this program reads. It writes the newest. */
export const READABLE_RECORD_VERSIONS: readonly number[] = [1, RECORD_VERSION];

export interface QueueSet {
  readonly type: "queue-set";
  readonly description: QueueDescription;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface TopicSet {
  readonly type: "topic-set";
  readonly description: TopicDescription;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface SubscriptionSet {
  readonly type: "subscription-set";
  readonly topic: string;
  readonly description: SubscriptionDescription;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface EntityRemoved {
  readonly type: "entity-removed";
  readonly path: string;
}

export interface RuleSet {
  readonly type: "rule-set";
  readonly subscription: string;
  readonly rule: RuleDescription;
}

export interface RuleRemoved {
  readonly type: "rule-removed";
  readonly subscription: string;
  readonly name: string;
}

/** The highest sequence number given out so far: written in snapshots, where the messages that had it may be gone. */
export interface SequenceReached {
  readonly type: "sequence";
  readonly queue: string;
  readonly last: number;
}

/** A message entered a queue. In a snapshot it also has the current state of the message. */
export interface MessageAdded {
  readonly type: "added";
  readonly queue: string;
  readonly seq: number;
  readonly messageId: string;
  readonly enqueuedAt: number;
  readonly status: MessageStatus;
  readonly body: Uint8Array;
  /** Absent: the same as `seq`. */
  readonly enqueuedSeq?: number;
  readonly sessionId?: string;
  readonly expiresAt?: number;
  readonly timeToLiveMs?: number;
  readonly scheduledAt?: number;
  readonly hops?: number;
  readonly deadLetterSource?: string;
  readonly wasScheduled?: true;
  readonly deliveryCount?: number;
}

export interface MessageLocked {
  readonly type: "locked";
  readonly queue: string;
  readonly seq: number;
  readonly token: string;
  readonly until: number;
}

export interface LockRenewed {
  readonly type: "renewed";
  readonly queue: string;
  readonly token: string;
  readonly until: number;
}

/** The lock ended and the message waits again (or is deferred again). `body` is there when properties were changed. */
export interface MessageReleased {
  readonly type: "released";
  readonly queue: string;
  readonly seq: number;
  readonly deliveryCount: number;
  readonly body?: Uint8Array;
}

export interface MessageDeferred {
  readonly type: "deferred";
  readonly queue: string;
  readonly seq: number;
  /** Absent in version 1, which did not count deferrals. */
  readonly deliveryCount?: number;
  readonly body?: Uint8Array;
}

/** Completed, expired, canceled, received-and-deleted, or moved elsewhere (then an `added` follows). */
export interface MessageRemoved {
  readonly type: "removed";
  readonly queue: string;
  readonly seq: number;
}

/** A MessageId entered the duplicate detection history of a queue or topic. */
export interface MessageIdSeen {
  readonly type: "seen";
  readonly entity: string;
  readonly messageId: string;
  readonly at: number;
}

export interface SessionLocked {
  readonly type: "session-locked";
  readonly queue: string;
  readonly sessionId: string;
  readonly token: string;
  readonly until: number;
}

export interface SessionReleased {
  readonly type: "session-released";
  readonly queue: string;
  readonly sessionId: string;
}

/** Absent body: the state was cleared. */
export interface SessionStateSet {
  readonly type: "session-state";
  readonly queue: string;
  readonly sessionId: string;
  readonly body?: Uint8Array;
}

export type EntityRecord =
  QueueSet | TopicSet | SubscriptionSet | EntityRemoved | RuleSet | RuleRemoved | MessageIdSeen;

export type MessageRecord =
  | SequenceReached
  | MessageAdded
  | MessageLocked
  | LockRenewed
  | MessageReleased
  | MessageDeferred
  | MessageRemoved
  | SessionLocked
  | SessionReleased
  | SessionStateSet;

export type BrokerRecord = EntityRecord | MessageRecord;
