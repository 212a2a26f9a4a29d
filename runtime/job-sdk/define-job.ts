/** How a package declares a job, and how the runtime recognises the declaration after it has been bundled. */
import type { RetryPolicy } from "../core/job/retry.ts";
import type { Isolation } from "../core/package/manifest.ts";
import type { Job, JobContext, JobResult } from "./job-context.ts";

/**
 * Marks what `defineJob` returns. A registered symbol, because every bundled package carries its own copy of this
 * module. The value is the version of the shape below.
 */
const JOB_MARK = Symbol.for("jobyard.job");
const JOB_SHAPE_VERSION = 1;

/** How an attempt of a job is run, whatever starts the job. Literals (or constants that are). */
export interface ExecutionOptions {
  /** An attempt that runs longer is stopped and counts as failed. Default: 6 hours. */
  readonly timeoutMs?: number;
  /** An attempt that shows no progress, log or output for so long is stopped and counts as failed. Default: no limit. */
  readonly idleTimeoutMs?: number;
  /** An attempt whose processes use more memory (MiB, together) is ended and counts as failed. Default: the worker's. */
  readonly memoryMb?: number;
  /**
   * `process` (default): a fresh process for every run. `reuse`: runs share warm processes of this package version, many
   * at a time, which starts them in a millisecond. For short jobs that trust each other and do not block the event loop:
   * docs/running-jobs.md says what they give up.
   */
  readonly isolation?: Isolation;
}

export interface JobOptions<Parameters, Services> extends ExecutionOptions {
  /**
   * What submitters write to have this job run; unique within the package. A text literal (or a constant that is one):
   * `jobyard pack` reads it from the source without running it.
   */
  readonly jobType: string;
  /** Overrides single fields of the default retry policy (3 attempts, exponential backoff). Literal, like `jobType`. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Checks the submitted parameters and gives them a type: a schema (zod, valibot, arktype, …) or a function that
   * returns them or throws. Refused parameters fail the job at once, since they would be the same next time.
   */
  readonly parameters?: ParameterCheck<Parameters>;
  /**
   * Does the work. Returning means success, throwing means failure: the retry policy decides whether the job is tried
   * again, unless a NonRetryableError was thrown. A job may run more than once (a machine can die after the work and
   * before its recording), so its effects should be repeatable.
   */
  readonly run: (job: Job<Parameters>, context: JobContext<Services>) => MaybePromise<JobResult | undefined>;
}

// A job that returns nothing is written without `return`: TypeScript types that as void.
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type MaybePromise<T> = T | void | Promise<T | void>;

/** A declared job, as the runtime uses it: `run` takes the parameters as they came and checks them itself. */
export interface JobDefinition {
  /** Undefined: a timer that goes by the name of its export or file, which only the manifest knows. */
  readonly jobType: string | undefined;
  readonly retry: Partial<RetryPolicy> | undefined;
  readonly timeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly memoryMb: number | undefined;
  readonly isolation: Isolation | undefined;
  readonly run: (job: Job, context: JobContext) => Promise<JobResult | undefined>;
}

/**
 * Declares a job. Export it, as default or by name, from any source file of the package:
 *
 * ```ts
 * export default defineJob({
 *   jobType: "FinancialYearEnd",
 *   parameters: z.object({ year: z.int() }),
 *   async run(job, { packagePath, outputPath, progress, signal, log }) {
 *     log("Closing the year", job.parameters.year);
 *     …
 *     return { output: { entries: 1200 } };
 *   },
 * });
 * ```
 */
export function defineJob<Parameters = unknown, Services = unknown>(
  options: JobOptions<Parameters, Services>,
): JobDefinition {
  const { jobType, retry, timeoutMs, idleTimeoutMs, memoryMb, isolation } = options;
  return markJob({
    ...{ jobType, retry, timeoutMs, idleTimeoutMs, memoryMb, isolation },
    async run(job, context) {
      const parameters = await checkParameters(jobType, options.parameters, job.parameters);
      // The runtime gives every job of a package what that package's own setup returned.
      const result = await options.run({ ...job, parameters }, context as JobContext<Services>);
      return result ?? undefined;
    },
  });
}

/** Makes a definition recognisable, and final. */
export function markJob(definition: JobDefinition): JobDefinition {
  Object.defineProperty(definition, JOB_MARK, { value: JOB_SHAPE_VERSION });
  return Object.freeze(definition);
}

/** Whether a module's export is a declared job of a shape this runtime knows. */
export const isJobDefinition = (value: unknown): value is JobDefinition =>
  typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[JOB_MARK] === JOB_SHAPE_VERSION;

// How a job checks its parameters: with a function of its own, or with a schema of any validation library.

/** What zod, valibot, arktype and others have in common (https://standardschema.dev), as far as it is needed here. */
export interface ParameterSchema<Parameters> {
  readonly "~standard": {
    readonly validate: (value: unknown) => SchemaResult<Parameters> | Promise<SchemaResult<Parameters>>;
  };
}

type SchemaResult<Parameters> =
  { readonly value: Parameters; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type ParameterCheck<Parameters> = ((value: unknown) => Parameters) | ParameterSchema<Parameters>;

/** Throws NonRetryableError: the parameters will be the same next time. */
async function checkParameters<Parameters>(
  jobType: string,
  check: ParameterCheck<Parameters> | undefined,
  value: unknown,
): Promise<Parameters> {
  if (check === undefined) return value as Parameters;
  const refused = (reason: string, cause?: unknown) =>
    new NonRetryableError(`The parameters do not fit ${jobType}: ${reason}`, { cause });
  if ("~standard" in check) {
    const result = await check["~standard"].validate(value);
    if (result.issues === undefined) return result.value;
    throw refused(result.issues.map(showIssue).join("; "));
  }
  try {
    return check(value);
  } catch (error) {
    throw isNonRetryable(error) ? error : refused(error instanceof Error ? error.message : String(error), error);
  }
}

function showIssue({ message, path = [] }: SchemaIssue): string {
  const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
  return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
}

// How a job says that trying again is pointless.

/** A registered symbol, because every bundled package carries its own copy of this module. */
const NON_RETRYABLE_MARK = Symbol.for("jobyard.nonRetryable");

/** Thrown by a job whose failure no further attempt can mend: the job fails at once, whatever its retry policy says. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    Object.defineProperty(this, NON_RETRYABLE_MARK, { value: true });
  }
}

/** Whether something thrown says that trying again is pointless; sees through bundled copies of the class. */
export const isNonRetryable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[NON_RETRYABLE_MARK] === true;
