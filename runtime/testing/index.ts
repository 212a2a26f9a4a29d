/** The exports of `jobyard/testing`, for tests of packages and of programs that submit jobs. */
export { runJob } from "./run-job.ts";
export type { JobRun, JobRunFailure, RunJobOptions } from "./run-job.ts";
export { startJobyard } from "./start-jobyard.ts";
export type { StartJobyardOptions, TestJobyard } from "./start-jobyard.ts";
