/**
 * Runs the broker: gives it the time, makes its records durable, publishes results only after that, and wakes it when
 * something is due.
 */
import type { Broker } from "./engine/broker.ts";
import type { BrokerRecord } from "./engine/records.ts";

/** Keeps records. `append` returns at once; `whenDurable` calls back after everything appended before is safe. */
export interface RecordLog {
  append(records: readonly BrokerRecord[]): void;
  /** Callbacks run in the order they were given, never one within another. */
  whenDurable(callback: () => void): void;
  /** Whether something appended is not durable yet. */
  readonly busy: boolean;
}

export interface HostDeps {
  readonly broker: Broker;
  readonly log: RecordLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The longest that setTimeout takes. The timer is set again for a later instant. */
const LONGEST_TIMEOUT_MS = 2_000_000_000;

export class BrokerHost {
  readonly #broker: Broker;
  readonly #log: RecordLog;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #depth = 0;
  #effects: (() => void)[] = [];
  #closed = false;

  constructor({ broker, log, now }: HostDeps) {
    this.#broker = broker;
    this.#log = log;
    this.#now = now;
  }

  /** Runs a command now. A result that must not be visible before it is durable goes through `whenDurable`. */
  execute<T>(command: (broker: Broker) => T): T {
    this.#depth++;
    try {
      return this.#broker.execute(this.#now(), () => command(this.#broker));
    } finally {
      this.#depth--;
      this.#commit();
    }
  }

  /**
   * Calls back once the records of everything executed so far, including the command being executed, are durable.
   * Callbacks run in the order they were given.
   */
  whenDurable(callback: () => void): void {
    this.#effects.push(callback);
    this.#commit();
  }

  /** Whether results wait to become durable. */
  get resultsPending(): boolean {
    return this.#log.busy;
  }

  /** Stops the wake-up timer; commands still work, so that links can be closed in order. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #commit(): void {
    if (this.#depth > 0) return;
    const records = this.#broker.takeRecords();
    if (records.length > 0) this.#log.append(records);
    const effects = this.#effects;
    if (effects.length > 0) {
      this.#effects = [];
      for (const effect of effects) this.#log.whenDurable(effect);
    }
    this.#armTimer();
  }

  #armTimer(): void {
    const dueAt = this.#broker.nextDueAt();
    // A timer that is too early costs one check. A timer that is too late would delay a message.
    if (this.#closed || dueAt >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = dueAt;
    const delay = Math.min(Math.max(0, dueAt - this.#now()), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.execute(() => undefined);
    }, Math.ceil(delay));
  }
}
