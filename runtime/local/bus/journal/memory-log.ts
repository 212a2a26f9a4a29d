/** Keeps nothing: for a namespace that lives only as long as its process. */
import type { RecordLog } from "../host.ts";
import { DurableCallbacks } from "./durable-callbacks.ts";

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
