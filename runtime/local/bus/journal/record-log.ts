/** A record log that keeps nothing, and the callbacks that every record log needs. */
import { Fifo } from "../engine/store/collections.ts";
import type { RecordLog } from "../host.ts";

/** For a namespace that ends with its process. */
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

interface Waiting {
  /** How many frames must be durable first. */
  readonly frames: number;
  readonly callback: () => void;
}

/** Callbacks that wait until appended frames are durable. They run in order, never one within another. */
export class DurableCallbacks {
  readonly #waiting = new Fifo<Waiting>();
  #appended = 0;
  #durable = 0;
  #running = false;

  /** A frame was appended. */
  appended(): void {
    this.#appended++;
  }

  /** So many more frames are durable. */
  written(frames: number): void {
    this.#durable += frames;
    this.#run();
  }

  /** Calls back when everything appended so far is durable, which may be at once. */
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
