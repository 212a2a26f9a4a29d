/** The messages of one store that wait for a receiver, and its sessions with their messages, locks and states. */
import type { MessageLock, StoredMessage } from "../message.ts";
import { Fifo, Heap } from "./collections.ts";

export interface Session {
  readonly id: string;
  readonly available: AvailableMessages;
  /** Messages of this session in the store, of any status. */
  messageCount: number;
  lock: MessageLock | undefined;
  state: Uint8Array | undefined;
  updatedAt: number;
}

/** A session exists while it has messages, a lock or a state. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  /** Sessions that may have a waiting message, oldest first. `nextFree` removes those that have none. */
  readonly #candidates = new Set<string>();

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  of(message: StoredMessage): Session {
    return this.#open(message.sessionId ?? "");
  }

  /** The session that has waited longest, of those with a waiting message and no lock. */
  nextFree(): Session | undefined {
    for (const id of this.#candidates) {
      const session = this.#sessions.get(id);
      if (!session || session.available.size === 0) this.#candidates.delete(id);
      else if (!session.lock) return session;
    }
    return undefined;
  }

  join(message: StoredMessage): void {
    const session = this.of(message);
    session.messageCount++;
    session.updatedAt = Math.max(session.updatedAt, message.enqueuedAt);
  }

  noteAvailable(message: StoredMessage): void {
    this.#candidates.add(message.sessionId ?? "");
  }

  leave(message: StoredMessage): void {
    const session = this.of(message);
    session.messageCount--;
    this.#forgetIfEmpty(session);
  }

  lock(id: string, token: string, until: number): void {
    this.#open(id).lock = { token, until };
  }

  release(id: string): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    session.lock = undefined;
    this.#forgetIfEmpty(session);
  }

  setState(id: string, state: Uint8Array | undefined): void {
    const session = this.#open(id);
    session.state = state;
    this.#forgetIfEmpty(session);
  }

  #open(id: string): Session {
    let session = this.#sessions.get(id);
    if (!session) {
      session = {
        id,
        available: new AvailableMessages(),
        messageCount: 0,
        lock: undefined,
        state: undefined,
        updatedAt: 0,
      };
      this.#sessions.set(id, session);
    }
    return session;
  }

  #forgetIfEmpty(session: Session): void {
    if (session.messageCount > 0 || session.lock || session.state) return;
    this.#sessions.delete(session.id);
    this.#candidates.delete(session.id);
  }
}

/**
 * Waiting messages in the order of their sequence numbers. New messages arrive in order and go to a list. Only returned
 * messages (abandoned, lock expired) need a heap. Entries of removed messages stay until they reach the front, where
 * `available` shows that they do not wait any more.
 */
export class AvailableMessages {
  readonly #fresh = new Fifo<StoredMessage>();
  readonly #returned = new Heap<StoredMessage>((a, b) => a.sequenceNumber - b.sequenceNumber);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(message: StoredMessage): void {
    message.available = true;
    this.#size++;
    const last = this.#fresh.peekLast();
    if (last === undefined || last.sequenceNumber < message.sequenceNumber) this.#fresh.push(message);
    else this.#returned.push(message);
  }

  peek(): StoredMessage | undefined {
    if (this.#size === 0) return undefined;
    this.#dropGone();
    const fresh = this.#fresh.peek();
    const returned = this.#returned.peek();
    if (fresh === undefined) return returned;
    if (returned === undefined) return fresh;
    return fresh.sequenceNumber <= returned.sequenceNumber ? fresh : returned;
  }

  remove(message: StoredMessage): void {
    if (!message.available) return;
    message.available = false;
    this.#size--;
    this.#dropGone();
  }

  #dropGone(): void {
    while (this.#fresh.peek()?.available === false) this.#fresh.shift();
    while (this.#returned.peek()?.available === false) this.#returned.pop();
  }
}
