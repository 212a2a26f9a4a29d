/**
 * Declares jobs in a package, and recognises the declarations after bundling. A declared job checks its parameters
 * before it runs. With NonRetryableError a job declares that a retry cannot help.
 */
import type { RetryPolicy } from "../core/job/retry.ts";
import type { JobLimits } from "../core/admission/limit.ts";
import type { JobShape } from "../core/job/job-shape.ts";
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

export interface JobOptions<
  Parameters,
  Services,
  Submitted = Parameters,
  Result = unknown,
  Kept = Result,
> extends ExecutionOptions {
  /**
   * Submitters use this name to run the job. Unique within the package. A text literal or a constant:
   * `jobyard pack` reads it from the source without running it.
   */
  readonly jobType: string;
  /** Overrides single fields of the default retry policy (3 attempts, exponential backoff). Literal, like `jobType`. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * How many jobs of this type a tenant runs at once, and how many it starts per time, over all workers. With `key`, such
   * as `parameters.customer`, for each value of that parameter. Literal, like `jobType`. docs/limits-and-fairness.md
   */
  readonly limits?: JobLimits;
  /**
   * Checks the submitted parameters and gives them a type: a schema (zod, valibot, arktype, …) or a function that
   * returns them or throws. Refused parameters fail the job at once, because a retry would have the same ones. A schema of
   * a library that can describe it as JSON Schema is part of the package: then the API refuses them at submit.
   */
  readonly parameters?: ParameterCheck<Parameters, Submitted>;
  /**
   * Checks the output that `run` returns and gives it a type, as `parameters` does. An output that does not fit fails the
   * job at once.
   */
  readonly output?: ParameterCheck<Kept, Result>;
  /**
   * Does the work. Returning means success, throwing means failure. The retry policy decides whether the job is tried
   * again, unless a NonRetryableError was thrown. A job can run more than once (a machine can fail after the work and
   * before the result is recorded), so its effects should be repeatable.
   */
  readonly run: (job: Job<Parameters>, context: JobContext<Services>) => MaybePromise<JobResult<Result> | undefined>;
}

/** A job without a result has no `return`, which TypeScript types as void. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type MaybePromise<T> = T | void | Promise<T | void>;

/**
 * A declared job as the runtime uses it: `run` takes unchecked parameters and checks them itself. Its type tells a client
 * what to submit and what it gets: `client.job<typeof greet>("Greet")`.
 */
export interface JobDefinition<Submitted = unknown, Kept = unknown> extends JobShape<Submitted, Kept> {
  /** Undefined for a timer that is named by its export or file, which only the manifest knows. */
  readonly jobType: string | undefined;
  readonly retry: Partial<RetryPolicy> | undefined;
  readonly timeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly memoryMb: number | undefined;
  readonly isolation: Isolation | undefined;
  /** As they were declared. Packing reads JSON Schemas from them. */
  readonly checks?: { readonly parameters: unknown; readonly output: unknown };
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
export function defineJob<
  Parameters = unknown,
  Services = unknown,
  Submitted = Parameters,
  Result = unknown,
  Kept = Result,
>(options: JobOptions<Parameters, Services, Submitted, Result, Kept>): JobDefinition<Submitted, Kept> {
  const { jobType, retry, timeoutMs, idleTimeoutMs, memoryMb, isolation } = options;
  return markJob<Submitted, Kept>({
    ...{ jobType, retry, timeoutMs, idleTimeoutMs, memoryMb, isolation },
    checks: { parameters: options.parameters, output: options.output },
    async run(job, context) {
      const parameters = await checked("parameters", jobType, options.parameters, job.parameters);
      // The runtime passes each package's own services to its jobs.
      const result = (await options.run({ ...job, parameters }, context as JobContext<Services>)) ?? undefined;
      if (options.output === undefined) return result;
      const output = await checked("output", jobType, options.output, result?.output);
      return output === undefined ? result : { ...result, output };
    },
  });
}

/** Marks and freezes a definition. */
export function markJob<Submitted = unknown, Kept = unknown>(
  definition: JobDefinition<Submitted, Kept>,
): JobDefinition<Submitted, Kept> {
  Object.defineProperty(definition, JOB_MARK, { value: JOB_SHAPE_VERSION });
  return Object.freeze(definition);
}

/** Whether a module's export is a declared job of a supported shape. */
export const isJobDefinition = (value: unknown): value is JobDefinition =>
  typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[JOB_MARK] === JOB_SHAPE_VERSION;

/**
 * The common interface of zod, valibot, arktype and others (https://standardschema.dev), reduced to the part used here.
 * `Given`: what is checked; `Checked`: what the check makes of it.
 */
export interface ParameterSchema<Checked, Given = Checked> {
  readonly "~standard": {
    readonly validate: (value: unknown) => SchemaResult<Checked> | Promise<SchemaResult<Checked>>;
    readonly types?: { readonly input: Given; readonly output: Checked } | undefined;
  };
}

type SchemaResult<Checked> =
  { readonly value: Checked; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type ParameterCheck<Checked, Given = Checked> = ((value: unknown) => Checked) | ParameterSchema<Checked, Given>;

/**
 * Checks parameters or output with the job's own function or schema. Throws NonRetryableError, because a retry would have
 * the same parameters, and most likely the same output.
 */
async function checked<Checked, Given>(
  what: "parameters" | "output",
  jobType: string,
  check: ParameterCheck<Checked, Given> | undefined,
  value: unknown,
): Promise<Checked> {
  if (check === undefined) return value as Checked;
  const refused = (reason: string, cause?: unknown) =>
    new NonRetryableError(
      what === "parameters"
        ? `The parameters do not fit ${jobType}: ${reason}`
        : `The output does not fit the schema of ${jobType}: ${reason}`,
      { cause },
    );
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
