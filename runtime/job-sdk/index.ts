/** The exports of `jobyard/job`, for authors of packages. */
export type {
  Job,
  JobContext,
  JobCredential,
  JobResult,
  ReportProgress,
  Setup,
  SetupContext,
  TimerCause,
  TimerContext,
  TimerFacts,
} from "./job-context.ts";
export { NonRetryableError, defineJob, isJobDefinition, isNonRetryable } from "./define-job.ts";
export type { JobDefinition, JobOptions, ParameterCheck, ParameterSchema } from "./define-job.ts";
export { defineIdentity, defineSettings, secret } from "./define-settings.ts";
export type {
  IdentityOptions,
  SecretOptions,
  SecretSetting,
  SettingDeclarations,
  SettingOptions,
  Settings,
  SettingValues,
} from "./define-settings.ts";
export { scalableTimerJob } from "./scalable-timer-job.ts";
export type { TimerOptions } from "./scalable-timer-job.ts";
