/** The exports of `jobyard/job`, for authors of packages. */
export type {
  Job,
  JobContext,
  JobResult,
  ReportProgress,
  Setup,
  SetupContext,
  TimerCause,
  TimerContext,
  TimerFacts,
} from "./job-context.ts";
export { defineJob, isJobDefinition } from "./define-job.ts";
export type { JobDefinition, JobOptions } from "./define-job.ts";
export { NonRetryableError, isNonRetryable } from "./define-job.ts";
export type { ParameterCheck, ParameterSchema } from "./define-job.ts";
export { scalableTimerJob } from "./scalable-timer-job.ts";
export type { TimerOptions } from "./scalable-timer-job.ts";
