/** What is known of the rows that a timer's row names: each read once, and after the timer's row was (R16). */
import type { Job } from "../core/job.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { Known } from "../core/timer-gate.ts";

export interface KnownRows {
  readonly known: Known;
  /** Throws UnavailableError. */
  look(jobIds: readonly string[]): Promise<void>;
  /** A row that was looked at. */
  row(jobId: string): Stored<Job> | undefined;
}

/** To be made anew whenever the timer's row is read again. */
export function knownRows(jobs: Pick<JobStore, "get">): KnownRows {
  const rows = new Map<string, Stored<Job> | undefined>();
  return {
    known: (jobId) => (rows.has(jobId) ? (rows.get(jobId)?.value.state ?? "absent") : undefined),
    async look(jobIds) {
      await Promise.all(jobIds.map(async (jobId) => rows.set(jobId, await jobs.get(jobId))));
    },
    row: (jobId) => rows.get(jobId),
  };
}
