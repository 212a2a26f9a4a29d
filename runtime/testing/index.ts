/** The exports of `jobyard/testing`, for tests of packages and of programs that submit jobs. */
export { runJob } from "./run-job.ts";
export type { JobRun, JobRunFailure, RunJobOptions } from "./run-job.ts";
