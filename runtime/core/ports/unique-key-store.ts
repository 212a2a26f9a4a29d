/** Which job holds a key that only one job of its type may have while it is queued or running. */
import type { Stored } from "./stored.ts";

export interface UniqueHold {
  readonly jobId: string;
  /** The job's row is there: no other job may take the key before this one has ended. */
  readonly placed: boolean;
  readonly heldAt: Date;
}

/** Names a key: job type and key are those of one package. */
export interface UniqueKey {
  readonly tenantName: string;
  readonly jobProcessorPackageName: string;
  readonly jobType: string;
  readonly uniqueKey: string;
}

export interface UniqueKeyStore {
  get(key: UniqueKey): Promise<Stored<UniqueHold> | undefined>;
  /**
   * Writes the hold if the row still has this version; `etag` undefined: if there is none. False: refused, or the answer was
   * lost and the hold may have been written.
   */
  put(key: UniqueKey, hold: UniqueHold, etag: string | undefined): Promise<boolean>;
  /** Removes holds from before that `isOver` says are over, a part of the table at a time. */
  removeOver(
    before: Date,
    isOver: (hold: UniqueHold) => Promise<boolean>,
    continuationToken: string | undefined,
  ): Promise<{ readonly removed: number; readonly continuationToken: string | undefined }>;
}
