/** Keeps nothing: for a namespace that lives only as long as its process. */
import { Fifo } from "../engine/store/collections.ts";
import type { RecordLog } from "../host.ts";

export class MemoryLog implements RecordLog {
  readonly busy = false;
  readonly #callbacks = new DurableCallbacks();

  append(): void {
    // Nothing to keep.
  }

  whenDurable(callback: () => void): void {
    this.#callbacks.add(callback);
  }
}

// Callbacks that wait for appended frames to be durable; they run in their order, never one within another.

interface Waiting {
  /** How many frames must be durable first. */
  readonly frames: number;
  readonly callback: () => void;
}

export class DurableCallbacks {
  readonly #waiting = new Fifo<Waiting>();
  #appended = 0;
  #durable = 0;
  #running = false;

  /** A frame was appended. */
  appended(): void {
    this.#appended++;
  }

  /** That many more frames are durable. */
  written(frames: number): void {
    this.#durable += frames;
    this.#run();
  }

  /** Calls back when everything appended so far is durable: at once, if it is. */
  add(callback: () => void): void {
    this.#waiting.push({ frames: this.#appended, callback });
    this.#run();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#waiting.peek(); next && next.frames <= this.#durable; next = this.#waiting.peek()) {
        this.#waiting.shift();
        next.callback();
      }
    } finally {
      this.#running = false;
    }
  }
}
