/** What every step of the job model is given. */
import type { Protocol } from "./protocol.ts";
import type { Fault, Result, World } from "./world.ts";

export interface Bounds {
  readonly jobs: number;
  readonly workers: number;
  /** How often each fault may happen; those not named do not. */
  readonly faults: Partial<Readonly<Record<Fault, number>>>;
  /** How many faults may happen in all. */
  readonly faultsInAll: number;
  /** Deliveries without settlement after which the broker sets a message aside. */
  readonly maxDeliveries: number;
  readonly sweeper: boolean;
  /**
   * The watchdog works: a worker's user code is dead before its lock ends. Then two copies must never run at once;
   * otherwise workers may go on without noticing, and only stale writes are excluded.
   */
  readonly watchdog: boolean;
  /** How the user's code may end. */
  readonly results: readonly Result[];
  /** For readable counterexamples; otherwise workers are interchangeable, which halves the states. */
  readonly namedWorkers: boolean;
}

export interface Context {
  readonly world: World;
  readonly protocol: Protocol;
  readonly bounds: Bounds;
}

/** Emits steps of one world. A fault is emitted only while it may still happen, and is paid for. */
export interface JobSteps {
  take(label: string, change: (next: Context) => void): void;
  fault(fault: Fault, label: string, change: (next: Context) => void): void;
}
