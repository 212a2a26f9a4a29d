/**
 * The row of the job this worker has claimed: one writer, one write at a time, each conditional on the last. After a
 * refused or unanswered write it recognises its own claim and goes on, or reports that the claim is gone.
 */
import { JobCanceledError } from "../../core/errors.ts";
import type { Job } from "../../core/job/job.ts";
import type { IndexFacts } from "../../core/ports/job-index.ts";
import type { JobChanges, JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { JobState } from "../../core/job/states.ts";

/** What a write makes of the row. */
export interface RowChange {
  readonly to: JobState;
  readonly changes: JobChanges;
}

export type OwnedWrite<T extends RowChange> =
  | { readonly written: true; readonly etag: string; readonly change: T }
  | { readonly written: false; readonly current: Stored<Job> | undefined };

export interface OwnedRow {
  /** Fires when the job should be canceled. */
  readonly cancelWanted: AbortSignal;
  /** Reports a wish to cancel that came by another way, as the heartbeat. */
  wantCancel(): void;
  /** Fires when a write has found the claim gone: kill the job, then decide by the protocol's table. */
  readonly claimGone: AbortSignal;
  /**
   * Writes on the claim's ETag, after all writes before it. The change is decided for each try anew, because a refused
   * one may have brought the wish to cancel (R8). Throws UnavailableError when storage does not answer.
   */
  write<T extends RowChange>(decide: () => T): Promise<OwnedWrite<T>>;
}

export function ownRow(
  jobs: Pick<JobStore, "update">,
  claimed: {
    readonly jobId: string;
    readonly claimId: string;
    readonly etag: string;
    readonly cancelWanted: boolean;
    /** As the bell or the row had them. A change of the tags moves the ETag. */
    readonly facts?: IndexFacts | undefined;
  },
): OwnedRow {
  const { jobId, claimId } = claimed;
  const cancel = new AbortController();
  const gone = new AbortController();
  let { etag, facts } = claimed;
  let last: Promise<unknown> = Promise.resolve();

  const noteCancel = (wanted: boolean): void => {
    if (wanted && !cancel.signal.aborted) cancel.abort(new JobCanceledError());
  };
  noteCancel(claimed.cancelWanted);

  async function attempt<T extends RowChange>(decide: () => T): Promise<OwnedWrite<T>> {
    for (;;) {
      const change = decide();
      const { to, changes } = change;
      const result = await jobs.update({ jobId, etag, from: "running", to, changes, facts });
      if (result.written) {
        etag = result.etag;
        return { ...result, change };
      }
      const row = result.current?.value;
      if (row?.claim?.id !== claimId || row.state !== "running") {
        gone.abort();
        return { written: false, current: result.current };
      }
      // R4: an intent to cancel, or my own write whose answer was lost, moved the ETag; the claim is still mine.
      etag = result.current?.etag ?? etag;
      facts = row;
      noteCancel(row.cancelWanted);
    }
  }

  return {
    cancelWanted: cancel.signal,
    wantCancel: () => noteCancel(true),
    claimGone: gone.signal,
    write(decide) {
      const write = last.then(() => attempt(decide));
      // The next write waits for this one. A failure goes to the caller of this one only.
      last = write.catch(() => undefined);
      return write;
    },
  };
}
