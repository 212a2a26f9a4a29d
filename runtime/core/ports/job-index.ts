/**
 * Where a tenant's jobs are noted by state and by tag, newest first. The rows of jobs are the truth: an entry may be late
 * or stale, so readers read the job's row too. Every write can be repeated.
 */
import type { Job } from "../job/job.ts";
import type { JobState } from "../job/states.ts";

/** What an entry holds beside the job's id. */
export interface IndexFacts extends Pick<Job, "jobType"> {
  readonly tags?: readonly string[] | undefined;
}

/** A job's way from one state to another. */
export interface IndexMove {
  readonly jobId: string;
  readonly facts: IndexFacts;
  /** Where it was noted before. Undefined: nowhere yet, so that its tags are noted too. */
  readonly from: JobState | undefined;
  readonly to: JobState;
  /** Of a queued job. */
  readonly runAt: Date | undefined;
  /** The tags it had before they changed. */
  readonly tagsBefore?: readonly string[] | undefined;
}

/** The entries of a tenant for one state, or for one tag. */
export type IndexPlace =
  { readonly tenantName: string; readonly state: JobState } | { readonly tenantName: string; readonly tag: string };

/** All that is given holds for each entry. */
export interface IndexRange {
  /** Entries behind this `position`. */
  readonly after?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly jobType?: string | undefined;
  readonly batchId?: string | undefined;
  /** Only for a place of a state. */
  readonly tag?: string | undefined;
  /** To start after this instant. Only for the place of queued jobs. */
  readonly startsAfter?: Date | undefined;
  readonly limit: number;
}

export interface IndexEntry {
  readonly jobId: string;
  /** Larger for older jobs, and the same in every place. */
  readonly position: string;
  /** Of a queued job that has a time: when it may start. */
  readonly runAt?: Date | undefined;
}

export interface JobIndex {
  /** Throws UnavailableError: some may be written. */
  write(moves: readonly IndexMove[]): Promise<void>;
  /** In the order of their positions; fewer than `limit` only at the end of the place. */
  read(place: IndexPlace, range: IndexRange, signal?: AbortSignal): Promise<readonly IndexEntry[]>;
  /** Removes everything noted of these jobs, whose rows are about to go. */
  remove(jobs: readonly ({ readonly jobId: string } & Pick<IndexFacts, "tags">)[]): Promise<void>;
  /** Removes single entries that have turned out stale. */
  removeFrom(place: IndexPlace, jobIds: readonly string[]): Promise<void>;
}
