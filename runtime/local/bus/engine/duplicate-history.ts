/** The MessageIds an entity has accepted within its duplicate detection window. */
import { Fifo } from "./fifo.ts";

export class DuplicateHistory {
  readonly #seenAt = new Map<string, number>();
  // A list beside the map, because walking a map from its start is slow after many deletions.
  readonly #order = new Fifo<{ readonly messageId: string; readonly at: number }>();

  has(messageId: string, now: number, windowMs: number): boolean {
    const at = this.#seenAt.get(messageId);
    return at !== undefined && now - at < windowMs;
  }

  add(messageId: string, at: number, windowMs: number): void {
    this.#forgetBefore(at - windowMs);
    this.#seenAt.delete(messageId);
    this.#seenAt.set(messageId, at);
    this.#order.push({ messageId, at });
  }

  /** Oldest first. */
  entries(): IterableIterator<[string, number]> {
    return this.#seenAt.entries();
  }

  #forgetBefore(instant: number): void {
    for (let first = this.#order.peek(); first !== undefined && first.at <= instant; first = this.#order.peek()) {
      this.#order.shift();
      if (this.#seenAt.get(first.messageId) === first.at) this.#seenAt.delete(first.messageId);
    }
  }
}
