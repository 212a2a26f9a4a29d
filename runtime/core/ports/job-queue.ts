/** The doorbell: messages that say that a job's row is worth a look. */
import { bellMessageId, bellOf, type Bell } from "../job/bell.ts";
import type { Job } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import type { Stored } from "./stored.ts";

export interface OutgoingBell {
  readonly bell: Bell;
  /** `bellMessageId(...)`; a repeat within the duplicate window is swallowed by the broker. */
  readonly messageId: string;
  /** Not delivered before. */
  readonly enqueueAt?: Date | undefined;
}

/** The bell of a queued row, ready to be sent: its MessageId, and the time the row waits for. */
export const outgoingBell = ({ value: job, etag }: Stored<Job>): OutgoingBell => ({
  bell: bellOf(job, etag),
  messageId: bellMessageId(job.jobId, job.ring),
  enqueueAt: job.runAt,
});

/** A received message under lock. A late settlement throws LockLostError. */
export interface ReceivedMessage {
  readonly parsed: Message;
  readonly messageId: string;
  readonly queue: string;
  /** Unique per queue, unchanged by redelivery. */
  readonly sequenceNumber: string;
  /** From 1. */
  readonly deliveryCount: number;
  /** Since when it could be received the first time, by the broker's clock, in ms since the epoch. */
  readonly enqueuedAt: number;
  /** When the broker ends the lock, by the broker's clock, in ms since the epoch. */
  readonly lockedUntil: number;
  /** Starts the lock's time again; resolves to the new end. */
  renew(): Promise<number>;
  complete(): Promise<void>;
  /** Gives the message back at once. */
  abandon(): Promise<void>;
  /** At most 4,096 characters each. */
  deadLetter(reason: string, description: string): Promise<void>;
}

export interface BellReceiver {
  /**
   * The next messages: `maxCount` as soon as that many are there, or else what has come when `waitMs` is over. Fewer than
   * asked for: there were no more at the end, or the receiver was closed. One call at a time.
   */
  receive(waitMs: number, maxCount: number): Promise<readonly ReceivedMessage[]>;
  /** Returns waiting calls; messages already received can still be settled. */
  close(): Promise<void>;
}

export interface JobQueue {
  /** Sends all, in as few messages as the broker takes; resolves when every one is accepted. */
  send(queue: string, bells: readonly OutgoingBell[]): Promise<void>;
  /** A receiver with its own link. */
  receiver(queue: string): BellReceiver;
  /** Messages from a sequence number on, oldest first, locked and scheduled ones too, without locking any. */
  peek(queue: string, request: PeekRequest): Promise<readonly PeekedMessage[]>;
  /**
   * Takes dead letters under lock, oldest first, up to `maxCount`; fewer when there are no more. Each must be completed
   * (removed) or abandoned (kept).
   */
  takeDeadLetters(queue: string, maxCount: number): Promise<readonly ReceivedMessage[]>;
  close(): Promise<void>;
}

export interface PeekRequest {
  readonly deadLetter: boolean;
  /** Default: from the beginning. */
  readonly fromSequenceNumber?: string | undefined;
  /** At most 250: more the service does not give at a time. */
  readonly maxCount: number;
}

export interface PeekedMessage {
  readonly parsed: Message;
  readonly messageId: string;
  readonly sequenceNumber: string;
  readonly enqueuedAt: Date;
  /** Of a message that was scheduled: when it can be received. */
  readonly dueAt?: Date | undefined;
  /** For dead letters. */
  readonly reason: string | undefined;
  readonly description: string | undefined;
}
