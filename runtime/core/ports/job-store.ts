/** Jobs as rows: conditional writes with their counters, reads, and sums. */
import type { Batch, Job } from "../job/job.ts";
import type { JobState, StateCounts } from "../job/states.ts";
import type { IndexFacts } from "./job-index.ts";
import type { OnUnreadable, Page, PageRequest, Stored } from "./stored.ts";

/**
 * A conditional write was made, or it was refused, or its fate is unknown (a lost answer). In the last two cases
 * `current` is the row as read afterwards, and the caller decides by the protocol again: its own write may be in it.
 */
export type WriteResult =
  | { readonly written: true; readonly etag: string }
  | { readonly written: false; readonly current: Stored<Job> | undefined };

/** The fields of a job that change after submit. `undefined` clears a field; an absent one stays. */
export type JobChanges = {
  readonly [K in MutableJobField]?: Job[K];
};

type MutableJobField =
  | "ring"
  | "attempts"
  | "interruptions"
  | "executions"
  | "claim"
  | "cancelWanted"
  | "reopen"
  | "runAt"
  | "expiresAt"
  | "startedAt"
  | "endedAt"
  | "progress"
  | "output"
  | "artifactCount"
  | "failure"
  | "packageHash"
  /** Entries given here are written beside those already kept; an entry of the same `execution` is replaced. */
  | "history"
  | "tags";

export interface JobUpdate {
  readonly jobId: string;
  /** The row must still have this ETag. */
  readonly etag: string;
  readonly from: JobState;
  readonly to: JobState;
  readonly changes: JobChanges;
  /** What the index notes of it, if the writer knows the job. A change of tags names its time too. */
  readonly facts?: (IndexFacts & { readonly runAt?: Date | undefined }) | undefined;
}

/** The part of a row that the index has too. */
export type JobOutline = Pick<Job, "jobId" | "state" | "runAt"> & IndexFacts;

/** Jobs and their exact counts. Writes of one process to one partition that wait at the same time leave together. */
export interface JobStore {
  /** Inserts a queued row, its counter with it. Not written: the id exists, or the answer was lost. */
  insert(job: Job): Promise<WriteResult>;
  get(jobId: string): Promise<Stored<Job> | undefined>;
  /** A legal transition on an exact ETag, counters with it. Throws InvariantError for an illegal one. */
  update(update: JobUpdate): Promise<WriteResult>;
  /** Jobs in the order of their ids, shard by shard. Throws InvalidRequestError for a token it did not make. */
  list(batch: Batch, request: PageRequest & { readonly state?: JobState | undefined }): Promise<Page<Job>>;
  /** The sum of all writers' counters. It equals the members' states whenever no write is under way. */
  counts(batch: Batch): Promise<StateCounts>;
  /** The same sum, with the versions of the rows it was made from. */
  snapshot(batch: Batch): Promise<CounterSnapshot>;
  /** All jobs of a batch in one state, as stored; read page by page while they are consumed. */
  scan(batch: Batch, state: JobState, onUnreadable?: OnUnreadable): AsyncIterable<Stored<Job>>;
  /** Jobs of a batch that were submitted or ended since then, and all that have not ended. Undefined: all jobs. */
  outlines(batch: Batch, since: Date | undefined, onUnreadable?: OnUnreadable): AsyncIterable<JobOutline>;
}

export interface CounterSnapshot {
  readonly counts: StateCounts;
  /** How often a job of the batch has failed for good. It only grows: a requeue takes nothing from it. */
  readonly failures: number;
  /** The same text if, and only if, no counter was written between two snapshots. */
  readonly version: string;
  /** When a counter was last written, by the service's clock; undefined: there is none. */
  readonly changedAt: Date | undefined;
}
