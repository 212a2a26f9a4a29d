/** What the service tells while things happen: the events of jobs and batches, by name. */
import type { BatchState } from "../core/job.ts";
import type { JobState, TerminalState } from "../core/states.ts";
import type { JobView } from "../core/views.ts";

export const JOB_EVENT_NAMES = [
  "jobQueued",
  "jobStarted",
  "jobProgressed",
  "jobRetrying",
  "jobCompleted",
  "batchCompleted",
] as const;

export type JobEventName = (typeof JOB_EVENT_NAMES)[number];

interface EventFacts {
  /** Grows from event to event of one job, or of one batch. */
  readonly sequence: number;
  /** When it happened, ISO 8601 in UTC. */
  readonly at: string;
  readonly tenantName: string;
  readonly batchId: string;
}

interface JobEventFacts extends EventFacts {
  readonly jobId: string;
  readonly jobName: string;
  readonly jobType: string;
  readonly status: JobState;
}

export interface JobQueued extends JobEventFacts {
  /** Not to be started before. */
  readonly runAt?: string;
}

export interface JobStarted extends JobEventFacts {
  /** Counts tries by the job's own failures, from 1. */
  readonly attempt: number;
  /** Counts starts over the life of the job, from 1. */
  readonly execution: number;
  readonly workerId: string;
}

export interface JobProgressed extends JobEventFacts {
  readonly attempt: number;
  readonly execution: number;
  readonly progress: NonNullable<JobView["progress"]>;
}

export interface JobRetrying extends JobEventFacts {
  /** The start that has ended. */
  readonly execution: number;
  /** `interruption`: ended by the system, at no cost to the job. */
  readonly because: "failure" | "interruption";
  readonly failure?: NonNullable<JobView["failure"]>;
  readonly runAt?: string;
}

export interface JobCompleted extends JobEventFacts {
  readonly status: TerminalState;
  /** 0: it ended without a start. */
  readonly execution: number;
  readonly failure?: NonNullable<JobView["failure"]>;
  readonly artifactCount: number;
}

export interface BatchCompleted extends EventFacts {
  /** Whether the batch was closed or canceled. */
  readonly status: BatchState;
  readonly batchName: string;
  /** A batch whose jobs are requeued completes again, as its next generation. */
  readonly generation: number;
}

export interface JobEvents {
  readonly jobQueued: JobQueued;
  readonly jobStarted: JobStarted;
  readonly jobProgressed: JobProgressed;
  readonly jobRetrying: JobRetrying;
  readonly jobCompleted: JobCompleted;
  readonly batchCompleted: BatchCompleted;
}

export const isJobEventName = (name: string): name is JobEventName => JOB_EVENT_NAMES.some((known) => known === name);
