/** The messages waiting for a receiver, in the order of their sequence numbers. */
import { Fifo } from "./fifo.ts";
import { Heap } from "./heap.ts";
import type { StoredMessage } from "./message.ts";

/**
 * New messages arrive in order and go to a list; only those that come back (abandoned, lock expired) need a heap.
 * Entries of messages that have left by another way stay until they reach the front, where `available` tells them.
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
