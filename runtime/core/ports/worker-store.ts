/** Workers as rows, and the lease that elects one process for a duty. */
import type { CancelIntent, WorkerRecord } from "../job/worker-record.ts";
import type { Stored } from "./stored.ts";

export interface WorkerStore {
  /**
   * Writes the worker's row. On its own ETag; `etag` undefined replaces whatever an earlier boot left. Not written:
   * another process left an intent, which is in `current`.
   */
  beat(record: WorkerRecord, etag: string | undefined): Promise<BeatResult>;
  get(pool: string, workerId: string): Promise<WorkerRecord | undefined>;
  /** All workers of a pool, or of all pools. */
  list(pool?: string): Promise<readonly WorkerRecord[]>;
  /** Leaves the intent on the worker's row; does nothing when there is no such row. */
  requestCancel(pool: string, workerId: string, intent: CancelIntent): Promise<void>;
  requestDrain(pool: string, workerId: string): Promise<void>;
}

export type BeatResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<WorkerRecord> | undefined };

/** One process at a time holds it; a holder that dies loses it within `durationMs`. */
export interface LeaderLease {
  /** Whether this process holds the lease now; tries to get it, or to keep it. Throws UnavailableError. */
  hold(): Promise<boolean>;
  release(): Promise<void>;
}
