/**
 * The messages of one queue, subscription or dead-letter queue: the state, and how each record changes it. The commands
 * (`settlement.ts`, `dispatch.ts`, `expiry.ts`, …) decide which records to write.
 */
import { AvailableMessages, SessionTable } from "./waiting-messages.ts";
import type { StoreOptions } from "../descriptions.ts";
import { Heap } from "./collections.ts";
import type { StoredMessage } from "../message.ts";
import { Receivers } from "./receivers.ts";
import type { MessageAdded, MessageRecord } from "../records.ts";

/** A message, and when it is due as of the time of the entry. */
interface DueEntry {
  readonly at: number;
  readonly message: StoredMessage;
}

/** At the same instant the older message comes first. */
const byInstant = (a: DueEntry, b: DueEntry): number =>
  a.at - b.at || a.message.sequenceNumber - b.message.sequenceNumber;

interface StoreParts {
  /** Called with the instant of each new due time. */
  readonly onDue: (store: MessageStore, at: number) => void;
  readonly deadLetters?: MessageStore;
  readonly transferDeadLetters?: MessageStore;
}

export class MessageStore {
  /** The entity path as its creator wrote it. `key` is the same in lower case. */
  readonly path: string;
  readonly key: string;
  options: StoreOptions;
  /** In the order of sequence numbers, because these only grow. */
  readonly messages = new Map<number, StoredMessage>();
  readonly available = new AvailableMessages();
  readonly sessions = new SessionTable();
  /** By lock token. Without sessions, in the order in which locks end, because all last equally long (but see below). */
  readonly locked = new Map<string, StoredMessage>();
  readonly scheduled = new Heap<DueEntry>(byInstant);
  readonly expiring = new Heap<DueEntry>(byInstant);
  /** Set when the lock duration changes while messages are locked. `locked` is then unordered until it is empty. */
  mixedLockDurations = false;
  /** Not part of the recovered state, because receivers end with the process. */
  readonly receivers = new Receivers();
  /** For messages that cannot be delivered. Absent for dead-letter queues. */
  readonly deadLetters: MessageStore | undefined;
  /** For messages that cannot be forwarded. */
  readonly transferDeadLetters: MessageStore | undefined;
  /** The last send, receive or update, for auto-delete on idle. It is reset when the process starts. */
  lastUsedAt = 0;
  lastSequenceNumber = 0;
  bytes = 0;
  deferredCount = 0;
  scheduledCount = 0;
  readonly #onDue: StoreParts["onDue"];

  constructor(path: string, options: StoreOptions, { onDue, deadLetters, transferDeadLetters }: StoreParts) {
    this.path = path;
    this.key = path.toLowerCase();
    this.options = options;
    this.deadLetters = deadLetters;
    this.transferDeadLetters = transferDeadLetters;
    this.#onDue = onDue;
  }

  get activeCount(): number {
    return this.messages.size - this.deferredCount - this.scheduledCount;
  }

  setOptions(options: StoreOptions): void {
    if (options.lockMs !== this.options.lockMs && this.locked.size > 0) this.mixedLockDurations = true;
    this.options = options;
  }

  apply(record: MessageRecord): void {
    switch (record.type) {
      case "sequence":
        this.lastSequenceNumber = Math.max(this.lastSequenceNumber, record.last);
        return;
      case "added":
        this.#add(record);
        return;
      case "locked":
        this.#lock(this.#get(record.seq), record.token, record.until);
        return;
      case "renewed": {
        const message = this.#getLocked(record.token);
        this.#unlock(message);
        this.#lock(message, record.token, record.until);
        return;
      }
      case "released": {
        const message = this.#get(record.seq);
        message.deliveryCount = record.deliveryCount;
        if (record.body) this.#replaceBody(message, record.body);
        this.#unlock(message);
        if (message.status === "active") this.#makeAvailable(message);
        return;
      }
      case "deferred": {
        const message = this.#get(record.seq);
        message.deliveryCount = record.deliveryCount ?? message.deliveryCount;
        if (record.body) this.#replaceBody(message, record.body);
        this.#unlock(message);
        if (message.status !== "deferred") this.deferredCount++;
        message.status = "deferred";
        return;
      }
      case "removed":
        this.#remove(this.#get(record.seq));
        return;
      case "session-locked":
        this.sessions.lock(record.sessionId, record.token, record.until);
        this.#onDue(this, record.until);
        return;
      case "session-released":
        this.sessions.release(record.sessionId);
        return;
      case "session-state":
        this.sessions.setState(record.sessionId, record.body);
        return;
    }
  }

  /** The list in which this message waits for a receiver. */
  #shelf(message: StoredMessage): AvailableMessages {
    return this.options.requiresSession ? this.sessions.of(message).available : this.available;
  }

  #add(record: MessageAdded): void {
    const message: StoredMessage = {
      sequenceNumber: record.seq,
      enqueuedSequenceNumber: record.enqueuedSeq ?? record.seq,
      messageId: record.messageId,
      sessionId: record.sessionId,
      enqueuedAt: record.enqueuedAt,
      expiresAt: record.expiresAt ?? Infinity,
      timeToLiveMs: record.timeToLiveMs,
      scheduledAt: record.scheduledAt,
      hops: record.hops ?? 0,
      deadLetterSource: record.deadLetterSource,
      wasScheduled: record.wasScheduled ?? false,
      body: record.body,
      status: record.status,
      deliveryCount: record.deliveryCount ?? 0,
      lock: undefined,
      available: false,
    };
    this.lastSequenceNumber = Math.max(this.lastSequenceNumber, record.seq);
    this.messages.set(record.seq, message);
    this.bytes += message.body.length;
    if (this.options.requiresSession) this.sessions.join(message);
    if (message.status === "active") this.#makeAvailable(message);
    else if (message.status === "deferred") this.deferredCount++;
    else {
      const at = message.scheduledAt ?? 0;
      this.scheduledCount++;
      this.#dropDeadEntries(this.scheduled);
      this.scheduled.push({ at, message });
      this.#onDue(this, at);
    }
    if (message.expiresAt !== Infinity) {
      this.#dropDeadEntries(this.expiring);
      this.expiring.push({ at: message.expiresAt, message });
      this.#onDue(this, message.expiresAt);
    }
  }

  #makeAvailable(message: StoredMessage): void {
    this.#shelf(message).add(message);
    if (this.options.requiresSession) this.sessions.noteAvailable(message);
  }

  #lock(message: StoredMessage, token: string, until: number): void {
    if (message.available) this.#shelf(message).remove(message);
    message.lock = { token, until };
    this.locked.set(token, message);
    this.#onDue(this, until);
  }

  #unlock(message: StoredMessage): void {
    if (!message.lock) return;
    this.locked.delete(message.lock.token);
    message.lock = undefined;
    if (this.locked.size === 0) this.mixedLockDurations = false;
  }

  #remove(message: StoredMessage): void {
    this.#unlock(message);
    if (message.available) this.#shelf(message).remove(message);
    this.messages.delete(message.sequenceNumber);
    this.bytes -= message.body.length;
    if (message.status === "deferred") this.deferredCount--;
    if (message.status === "scheduled") this.scheduledCount--;
    if (this.options.requiresSession) this.sessions.leave(message);
  }

  #replaceBody(message: StoredMessage, body: Uint8Array): void {
    this.bytes += body.length - message.body.length;
    message.body = body;
  }

  /** Entries of removed messages stay in a heap until their instant. This removes them when there are too many. */
  #dropDeadEntries(heap: Heap<DueEntry>): void {
    if (heap.size <= 64 || heap.size <= 2 * this.messages.size) return;
    heap.retain(({ message }) => this.holds(message));
  }

  holds(message: StoredMessage): boolean {
    return this.messages.get(message.sequenceNumber) === message;
  }

  #get(seq: number): StoredMessage {
    const message = this.messages.get(seq);
    if (!message) throw new Error(`${this.path} holds no message ${seq}: the record does not fit the state`);
    return message;
  }

  #getLocked(token: string): StoredMessage {
    const message = this.locked.get(token);
    if (!message) throw new Error(`${this.path} holds no lock ${token}: the record does not fit the state`);
    return message;
  }
}
