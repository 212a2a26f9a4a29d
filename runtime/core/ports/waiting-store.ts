/**
 * Notes that a batch has queued jobs without a bell: they are paused, or their tenant has enough bells in the queue. The
 * refill reads the notes and rings for these jobs (R31 to R33). A note is a hint; without it the sweeper finds the jobs.
 */
import type { OnUnreadable, Stored } from "./stored.ts";

export interface WaitingNote {
  readonly queue: string;
  readonly batchId: string;
  /** When the batch was first noted, since the note was last removed: the refill serves the oldest of a tenant first. */
  readonly since: Date;
}

/** What parks jobs: the API and workers. */
export interface WaitingNotes {
  /** Adds the note, or gives it a new version. Resolves after it is written. */
  note(queue: string, batchId: string): Promise<void>;
}

export interface WaitingStore extends WaitingNotes {
  /** A row that cannot be read is skipped, if there is someone to tell. */
  list(onUnreadable?: OnUnreadable): Promise<readonly Stored<WaitingNote>[]>;
  /** Removes the given version. False: it was noted again, or is gone (R32). */
  remove(note: Stored<WaitingNote>): Promise<boolean>;
}
