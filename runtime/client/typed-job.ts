/**
 * Jobs of one type, with the types that their declaration has. Only types of a package are named: none of its code gets into
 * the program that submits.
 */
import type { JobShape, OutputOf, ParametersOf } from "../core/job/job-shape.ts";
import type { SubmitJobBody } from "../core/http/requests.ts";
import type { JobView } from "../core/http/views.ts";
import type { Management, SubmitOptions } from "./management.ts";
import type { WaitForJobOptions } from "./wait.ts";

/** What is submitted: as `management.submitJob` takes it, without the job type. */
export type TypedSubmission<Parameters> = Omit<SubmitJobBody, "jobType" | "parameters"> &
  (undefined extends Parameters ? { readonly parameters?: Parameters } : { readonly parameters: Parameters });

/** A job as the API shows it, with the output of its type. */
export type TypedJobView<Output> = Omit<JobView, "output"> & { readonly output?: Output };

export interface TypedJob<Shape extends JobShape> {
  readonly jobType: string;
  /** Resolves to the job's id. Without a batch the job joins its tenant's batch of the day. */
  readonly submit: (
    job: TypedSubmission<ParametersOf<Shape>>,
    batchId?: string,
    options?: SubmitOptions,
  ) => Promise<string>;
  /** Resolves to the job when it has ended, in any state. */
  readonly wait: (jobId: string, options?: WaitForJobOptions) => Promise<TypedJobView<OutputOf<Shape>>>;
}

export interface TypedJobDeps {
  readonly submitJob: Management["submitJob"];
  readonly waitForJob: (jobId: string, options?: WaitForJobOptions) => Promise<JobView>;
}

export const createTypedJob = <Shape extends JobShape>(
  jobType: string,
  { submitJob, waitForJob }: TypedJobDeps,
): TypedJob<Shape> => ({
  jobType,
  submit: (job, batchId, options) => submitJob({ ...job, jobType }, batchId, options),
  // The package's own schema has checked the output; this client has only its type.
  wait: (jobId, options): Promise<TypedJobView<OutputOf<Shape>>> => waitForJob(jobId, options),
});
