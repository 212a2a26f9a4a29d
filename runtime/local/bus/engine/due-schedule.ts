/** When which store has to be looked at next. */
import { Heap } from "./heap.ts";
import type { MessageStore } from "./message-store.ts";

interface DueEntry {
  readonly at: number;
  readonly store: MessageStore;
}

export class DueSchedule {
  readonly #entries = new Heap<DueEntry>((a, b) => a.at - b.at);
  /** The earliest instant asked for per store, so that a store is not entered again for a later one. */
  readonly #armed = new Map<MessageStore, number>();

  /** Asks for a look at this store at the given instant, or earlier if it was asked for before. */
  arm(store: MessageStore, at: number): void {
    if (at >= (this.#armed.get(store) ?? Infinity)) return;
    this.#armed.set(store, at);
    this.#entries.push({ at, store });
  }

  /** Infinity when nothing is asked for; may be too early, never too late. */
  nextAt(): number {
    return this.#entries.peek()?.at ?? Infinity;
  }

  /** A store that is due by now, once; whoever takes it arms it again. */
  takeDue(now: number): MessageStore | undefined {
    for (let entry = this.#entries.peek(); entry && entry.at <= now; entry = this.#entries.peek()) {
      this.#entries.pop();
      // An entry that was overtaken by an earlier one has been seen to.
      if (this.#armed.get(entry.store) !== entry.at) continue;
      this.#armed.delete(entry.store);
      return entry.store;
    }
    return undefined;
  }
}
