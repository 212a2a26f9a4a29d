/** Which jobs of a tenant are meant: the filter of lists and actions. */
import type { IndexPlace, IndexRange } from "../ports/job-index.ts";
import { jobTime } from "./ids.ts";
import type { Job } from "./job.ts";
import { JOB_STATES, type JobState } from "./states.ts";

/** All that is given must hold. */
export interface JobFilter {
  readonly tenantName: string;
  readonly state?: JobState | undefined;
  /** Queued, and not to be started before a later time. */
  readonly delayed?: true | undefined;
  readonly jobType?: string | undefined;
  readonly tag?: string | undefined;
  readonly batchId?: string | undefined;
  /** With an id of that time or later: a job has the time of its submit, the run of a timer the time it was due. */
  readonly since?: Date | undefined;
  /** With an id of an earlier time. */
  readonly until?: Date | undefined;
}

export function matches(job: Job, filter: JobFilter, now: Date): boolean {
  const { tenantName, delayed, jobType, tag, batchId, since, until } = filter;
  const state = stateOf(filter);
  return (
    job.tenantName === tenantName &&
    (state === undefined || job.state === state) &&
    (delayed === undefined || (job.runAt !== undefined && job.runAt > now)) &&
    (jobType === undefined || job.jobType === jobType) &&
    (tag === undefined || (job.tags ?? []).includes(tag)) &&
    (batchId === undefined || job.batchId === batchId) &&
    (since === undefined || jobTime(job.jobId) >= since) &&
    (until === undefined || jobTime(job.jobId) < until)
  );
}

const stateOf = ({ delayed, state }: JobFilter): JobState | undefined => (delayed ? "queued" : state);

export interface IndexSearch {
  /** In the order in which a job passes them: one that moves meanwhile is met at least once. */
  readonly places: readonly IndexPlace[];
  readonly range: Omit<IndexRange, "limit">;
}

/**
 * Where the index has these jobs. A tag has a place of its own, but most jobs of a tenant have succeeded, so the place of
 * another state is shorter.
 */
export function searchFor(filter: JobFilter, now: Date): IndexSearch {
  const { tenantName, delayed, tag, since, until, jobType, batchId } = filter;
  const state = stateOf(filter);
  const range = { jobType, batchId, since, until };
  const isShorter = state !== undefined && state !== "succeeded";
  if (tag !== undefined && !isShorter) return { places: [{ tenantName, tag }], range };
  const states = state === undefined ? JOB_STATES : [state];
  return {
    places: states.map((one) => ({ tenantName, state: one })),
    range: { ...range, tag, ...(delayed && { startsAfter: now }) },
  };
}
