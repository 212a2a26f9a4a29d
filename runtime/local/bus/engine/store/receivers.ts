/** The receivers that are attached to one store, and the order in which they get messages. */
import type { BusError } from "../errors.ts";
import { Fifo } from "./collections.ts";
import type { Delivery } from "../message.ts";

/** The receiving end of one link. The broker lowers `credit` with every delivery, and the link raises it. */
export interface Receiver {
  /** How many more messages it takes. */
  credit: number;
  /** True: a message is removed when it is delivered. False: it is locked until it is settled. */
  readonly receiveAndDelete: boolean;
  /**
   * Takes one message. The records of the current command are not durable yet, and the message must not leave the process
   * before they are.
   */
  deliver(delivery: Delivery): void;
  /** The entity or the session lock has ended. No more messages will come. */
  ended(reason: BusError): void;
}

/** A receiver that waits for a session. */
export interface SessionWaiter {
  /** Absent: any session that has a message waiting. */
  readonly sessionId: string | undefined;
  readonly receiver: Receiver;
  granted(sessionId: string, lockedUntil: number): void;
}

export class Receivers {
  readonly #attached = new Set<Receiver>();
  /** It may contain detached receivers. `#queued` has those that still wait. */
  #ready = new Fifo<Receiver>();
  readonly #queued = new Set<Receiver>();
  /** The receiver of each locked session. */
  readonly holders = new Map<string, Receiver>();
  readonly waiters = new Set<SessionWaiter>();

  get count(): number {
    return this.#attached.size + this.holders.size + this.waiters.size;
  }

  attach(receiver: Receiver): void {
    this.#attached.add(receiver);
  }

  /** To be called when a receiver's credit may have risen from zero. */
  offer(receiver: Receiver): void {
    if (receiver.credit <= 0 || this.#queued.has(receiver) || !this.#attached.has(receiver)) return;
    this.#queued.add(receiver);
    this.#ready.push(receiver);
  }

  detach(receiver: Receiver): void {
    this.#attached.delete(receiver);
    this.#queued.delete(receiver);
    // An idle queue never reads its line, so detached receivers must not pile up there.
    if (this.#ready.size > 2 * this.#queued.size + 64) this.#closeRanks();
  }

  /** The next receiver with credit, in turn. It goes to the end of the line if it has more credit. */
  next(): Receiver | undefined {
    for (;;) {
      const receiver = this.#ready.shift();
      if (!receiver) return undefined;
      if (!this.#queued.delete(receiver) || receiver.credit <= 0) continue;
      if (receiver.credit > 1) {
        this.#queued.add(receiver);
        this.#ready.push(receiver);
      }
      return receiver;
    }
  }

  #closeRanks(): void {
    const waiting = new Fifo<Receiver>();
    for (let next = this.#ready.shift(); next; next = this.#ready.shift())
      if (this.#queued.has(next)) waiting.push(next);
    this.#ready = waiting;
  }

  /** Ends all of them, because the entity was removed. */
  end(reason: BusError): void {
    const all = [...this.#attached, ...this.holders.values(), ...[...this.waiters].map((waiter) => waiter.receiver)];
    this.#attached.clear();
    this.#queued.clear();
    this.holders.clear();
    this.waiters.clear();
    for (const receiver of all) receiver.ended(reason);
  }
}
