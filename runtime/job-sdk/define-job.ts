/**
 * Declares jobs in a package, and recognises the declarations after bundling. A declared job checks its parameters
 * before it runs. With NonRetryableError a job declares that a retry cannot help.
 */
import type { RetryPolicy } from "../core/job/retry.ts";
import type { Isolation } from "../core/package/manifest.ts";
import type { Job, JobContext, JobResult } from "./job-context.ts";

/**
 * Marks the result of `defineJob`. A registered symbol, because every bundled package contains its own copy of this
 * module. The value is the version of the shape below.
 */
const JOB_MARK = Symbol.for("jobyard.job");
const JOB_SHAPE_VERSION = 1;

/** How an attempt of a job runs. The values are literals or constants. */
export interface ExecutionOptions {
  /** An attempt that runs longer is stopped and counts as failed. Default: 6 hours. */
  readonly timeoutMs?: number;
  /** An attempt without progress, log or output for this long is stopped and counts as failed. Default: no limit. */
  readonly idleTimeoutMs?: number;
  /** An attempt whose processes together use more memory (MiB) is ended and counts as failed. Default: the worker's. */
  readonly memoryMb?: number;
  /**
   * `process` (default): a new process for every run. `reuse`: runs share warm processes of this package version, many
   * at a time, and start in a millisecond. For short jobs that trust each other and do not block the event loop.
   * docs/running-jobs.md describes the disadvantages.
   */
  readonly isolation?: Isolation;
}

export interface JobOptions<Parameters, Services> extends ExecutionOptions {
  /**
   * Submitters use this name to run the job. Unique within the package. A text literal or a constant:
   * `jobyard pack` reads it from the source without running it.
   */
  readonly jobType: string;
  /** Overrides single fields of the default retry policy (3 attempts, exponential backoff). Literal, like `jobType`. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Checks the submitted parameters and gives them a type: a schema (zod, valibot, arktype, …) or a function that
   * returns them or throws. Refused parameters fail the job at once, because a retry would have the same ones.
   */
  readonly parameters?: ParameterCheck<Parameters>;
  /**
   * Does the work. Returning means success, throwing means failure. The retry policy decides whether the job is tried
   * again, unless a NonRetryableError was thrown. A job can run more than once (a machine can fail after the work and
   * before the result is recorded), so its effects should be repeatable.
   */
  readonly run: (job: Job<Parameters>, context: JobContext<Services>) => MaybePromise<JobResult | undefined>;
}

/** A job without a result has no `return`, which TypeScript types as void. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type MaybePromise<T> = T | void | Promise<T | void>;

/** A declared job as the runtime uses it: `run` takes unchecked parameters and checks them itself. */
export interface JobDefinition {
  /** Undefined for a timer that is named by its export or file, which only the manifest knows. */
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
      // The runtime passes each package's own services to its jobs.
      const result = await options.run({ ...job, parameters }, context as JobContext<Services>);
      return result ?? undefined;
    },
  });
}

/** Marks and freezes a definition. */
export function markJob(definition: JobDefinition): JobDefinition {
  Object.defineProperty(definition, JOB_MARK, { value: JOB_SHAPE_VERSION });
  return Object.freeze(definition);
}

/** Whether a module's export is a declared job of a supported shape. */
export const isJobDefinition = (value: unknown): value is JobDefinition =>
  typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[JOB_MARK] === JOB_SHAPE_VERSION;

/**
 * The common interface of zod, valibot, arktype and others (https://standardschema.dev), reduced to the part used here.
 */
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

/**
 * Checks parameters with the job's own function or schema. Throws NonRetryableError, because a retry would have the
 * same parameters.
 */
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

/** A registered symbol, because every bundled package contains its own copy of this module. */
const NON_RETRYABLE_MARK = Symbol.for("jobyard.nonRetryable");

/** A job throws this if no retry can fix the failure. The job then fails at once, whatever its retry policy. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    Object.defineProperty(this, NON_RETRYABLE_MARK, { value: true });
  }
}

/** Whether an error is a NonRetryableError, also from a bundled copy of the class. */
export const isNonRetryable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[NON_RETRYABLE_MARK] === true;
