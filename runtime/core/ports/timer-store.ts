/** Timers as rows: what each should do, and what each does. Two rows, because they have different writers. */
import type { Timer, TimerName, TimerRun } from "../timer/timer.ts";
import type { OnUnreadable, Page, PageRequest, Stored } from "./stored.ts";

export type TimerWriteResult =
  | { readonly written: true; readonly etag: string }
  /** `current`: the row as read afterwards; the write whose answer was lost may be in it. */
  | { readonly written: false; readonly current: Stored<Timer> | undefined };

export type TimerRunWriteResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<TimerRun> | undefined };

export interface TimerStore {
  get(name: TimerName): Promise<Stored<Timer> | undefined>;
  /** Writes on the given version; `etag` undefined: inserts. */
  write(timer: Timer, etag: string | undefined): Promise<TimerWriteResult>;
  /**
   * Removes the timer. False: it has another version. One that is not there counts as removed. What it does stays: a run
   * may be alive that a timer of the same name, registered again, must not overlap.
   */
  remove(name: TimerName, etag: string): Promise<{ readonly removed: boolean }>;
  /** Timers of all tenants, read page by page while they are consumed. */
  all(onUnreadable?: OnUnreadable): AsyncIterable<Stored<Timer>>;
  /** Timers one package declares. */
  ofPackage(tenantName: string, packageName: string): Promise<readonly Stored<Timer>[]>;
  /** By package and name. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<Timer>>;

  run(batchId: string): Promise<Stored<TimerRun> | undefined>;
  /** Writes on the given version; `etag` undefined: inserts. */
  writeRun(run: TimerRun, etag: string | undefined): Promise<TimerRunWriteResult>;
}
