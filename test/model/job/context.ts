/** The input of every step of the job model. */
import type { Protocol } from "./protocol.ts";
import type { Fault, Result, World } from "./world.ts";

export interface Bounds {
  readonly jobs: number;
  readonly workers: number;
  /** How often each fault may happen. Missing ones may not. */
  readonly faults: Partial<Readonly<Record<Fault, number>>>;
  /** How many faults may happen in all. */
  readonly faultsInAll: number;
  /** The number of deliveries without settlement after which the broker dead-letters a message. */
  readonly maxDeliveries: number;
  readonly sweeper: boolean;
  /**
   * The watchdog works: a worker's user code is dead before its lock ends. Then two copies must never run at once.
   * Without it, workers may continue without noticing, and only stale writes are excluded.
   */
  readonly watchdog: boolean;
  /** The possible ends of the user's code. */
  readonly results: readonly Result[];
  /** For readable counterexamples. Otherwise workers are interchangeable, which halves the states. */
  readonly namedWorkers: boolean;
}

export interface Context {
  readonly world: World;
  readonly protocol: Protocol;
  readonly bounds: Bounds;
}

/** Emits steps of one world. A fault is emitted only if its budget allows it, and reduces the budget. */
export interface JobSteps {
  take(label: string, change: (next: Context) => void): void;
  fault(fault: Fault, label: string, change: (next: Context) => void): void;
}
