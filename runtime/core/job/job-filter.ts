/** Which jobs of a tenant are meant: the filter of lists and actions. */
import type { IndexPlace, IndexRange } from "../ports/job-index.ts";
import { jobTime } from "./ids.ts";
import type { Job } from "./job.ts";
import { JOB_STATES, type JobState } from "./states.ts";

/** All that is given must hold. */
export interface JobFilter {
  readonly tenantName: string;
  /** In this state, or in one of these. */
  readonly state?: JobState | readonly JobState[] | undefined;
  /** Queued, and not to be started before a later time. */
  readonly delayed?: true | undefined;
  readonly jobType?: string | undefined;
  readonly jobProcessorPackageName?: string | undefined;
  readonly tag?: string | undefined;
  readonly batchId?: string | undefined;
  /** In the name, an id or the failure's message, in any case. */
  readonly text?: string | undefined;
  /** With an id of that time or later: a job has the time of its submit, the run of a timer the time it was due. */
  readonly since?: Date | undefined;
  /** With an id of an earlier time. */
  readonly until?: Date | undefined;
}

export function matches(job: Job, filter: JobFilter, now: Date): boolean {
  const { tenantName, delayed, jobType, jobProcessorPackageName, tag, batchId, text, since, until } = filter;
  const states = statesOf(filter);
  return (
    job.tenantName === tenantName &&
    (states === undefined || states.includes(job.state)) &&
    (delayed === undefined || (job.runAt !== undefined && job.runAt > now)) &&
    (jobType === undefined || job.jobType === jobType) &&
    (jobProcessorPackageName === undefined || job.jobProcessorPackageName === jobProcessorPackageName) &&
    (tag === undefined || (job.tags ?? []).includes(tag)) &&
    (batchId === undefined || job.batchId === batchId) &&
    (text === undefined || says(job, text.toLowerCase())) &&
    (since === undefined || jobTime(job.jobId) >= since) &&
    (until === undefined || jobTime(job.jobId) < until)
  );
}

const says = ({ jobName, jobId, clientJobId, failure }: Job, text: string): boolean =>
  [jobName, jobId, clientJobId, failure?.message].some((one) => one?.toLowerCase().includes(text));

/** The states that a filter names. Undefined: all. */
export function statesOf({ delayed, state }: Pick<JobFilter, "delayed" | "state">): readonly JobState[] | undefined {
  const named = delayed ? "queued" : state;
  return typeof named === "string" ? [named] : named;
}

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
  const states = statesOf(filter);
  const range = { jobType, batchId, since, until };
  const isShorter = states !== undefined && !states.includes("succeeded");
  if (tag !== undefined && !isShorter) return { places: [{ tenantName, tag }], range };
  return {
    places: (states ?? JOB_STATES).map((one) => ({ tenantName, state: one })),
    range: { ...range, tag, ...(delayed && { startsAfter: now }) },
  };
}
