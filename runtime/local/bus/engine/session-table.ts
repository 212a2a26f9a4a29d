/** The sessions of one store: which messages wait in each, who holds it, and the state the application keeps there. */
import { AvailableMessages } from "./available-messages.ts";
import type { MessageLock, StoredMessage } from "./message.ts";

export interface Session {
  readonly id: string;
  readonly available: AvailableMessages;
  /** Messages of this session still in the store, in whatever status. */
  messageCount: number;
  lock: MessageLock | undefined;
  state: Uint8Array | undefined;
  updatedAt: number;
}

/** A session exists while it has messages, a holder or a state. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  /** Sessions that may have a message waiting, oldest mention first; checked when one is looked for. */
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

  /** The session that has waited longest among those with a waiting message and no holder. */
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
