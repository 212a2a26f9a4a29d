/** The inputs of a running job: its request (`Job`), and its tools (`JobContext`). */

/** The request, and which try of it runs. */
export interface Job<Parameters = unknown> {
  /** Identifies the job everywhere: API, logs, events. */
  readonly jobId: string;
  readonly batchId: string;
  readonly tenantName: string;
  /** The submitter's name for this job, for people. */
  readonly jobName: string;
  readonly jobType: string;
  /** The submitted parameters, parsed from JSON and checked by the definition's `parameters`, if it has one. */
  readonly parameters: Parameters;
  /** Counts tries that ended with a failure of the job, from 1. An interrupted try is repeated with the same number. */
  readonly attempt: number;
  /** How often this job was interrupted (crash, eviction, drain) before this try. Usually 0. */
  readonly interruption: number;
  /**
   * Different for every start of this job, constant during one start. Jobs run at least once. If an outside effect must
   * happen exactly once, key it by `jobId` and fence it by `claimId`.
   */
  readonly claimId: string;
  /** The worker that runs it, as in logs and the list of workers. `local` with `jobyard run`. */
  readonly workerId: string;
  /** For runs of a timer: grows with each start of the timer, so that an older run can be detected. */
  readonly fence?: number | undefined;
}

/** The reason for a timer's run: it was due, a user started it, or its package was published. */
export type TimerCause = "schedule" | "manual" | "deploy";

/** Facts about the tick of a timer's run. */
export interface TimerFacts {
  readonly name: string;
  readonly trigger: TimerCause;
  /** The due time by the schedule, never the current time. For other triggers, the time of the request. */
  readonly scheduledAt: Date;
  /** Whether it was due longer ago than `graceSeconds` when this try started. */
  readonly isPastDue: boolean;
  /** Earlier ticks that did not run and that this run replaces. */
  readonly missedCount: number;
  readonly firstMissedAt?: Date | undefined;
  readonly lastMissedAt?: Date | undefined;
  /** What the caller gave to a manual run: any JSON. Undefined: nothing. */
  readonly parameters?: unknown;
  /**
   * Grows with every start of this timer, retries included. An outside system that keeps the largest number it has
   * seen, and refuses smaller ones, is safe from a run that was given up. 0: the run was not started by the timer
   * (`jobyard run`, or its job type submitted as an ordinary job).
   */
  readonly fence: number;
}

/**
 * The tools of a running job. Paths are absolute. They are private to this try, except the package with isolation
 * `reuse`.
 */
export interface JobContext<Services = unknown> {
  /** A copy of the unpacked package: code and its data files. With isolation `reuse`, other jobs use the same copy. */
  readonly packagePath: string;
  /**
   * An empty directory for temporary files, removed afterwards. The current directory, except with isolation `reuse`.
   */
  readonly workingPath: string;
  /** Files here are kept as artifacts under their relative paths when the job succeeds or fails. */
  readonly outputPath: string;
  /** Reports progress. Cheap: frequent reports are merged, and the latest wins. */
  readonly progress: ReportProgress;
  /** Writes a line to the job's log, formatted like `console.log`. Output of `console` is captured too. */
  readonly log: (...values: readonly unknown[]) => void;
  /**
   * Aborted when the job is canceled, exceeds its time, or its worker shuts down. The process is killed after a grace
   * period. To end cleanly, pass the signal on (`fetch(url, { signal })`) or check it in a loop.
   */
  readonly signal: AbortSignal;
  /**
   * The W3C `traceparent` of this try, for OpenTelemetry: give it to your spans as their parent, and they join the trace
   * of the job. Undefined: nobody traces it. Commands, and processes of their own, also have it as `TRACEPARENT`.
   */
  readonly trace?: string | undefined;
  /**
   * What the package's `defineSettings` declares and the tenant has given, with defaults. Fetched when this try began.
   * Frozen; a name that is not declared is undefined.
   */
  readonly settings: Readonly<Record<string, string | undefined>>;
  /**
   * Tokens of the pool's identity for Azure's SDK (`new BlobServiceClient(url, credential)`), for the audiences that the
   * package declares by `defineIdentity` and the tenant is granted. None is given after the job has lost its lock.
   */
  readonly credential: JobCredential;
  /** The result of the package's `setup`; undefined if it has none. */
  readonly services: Services;
}

/** The TokenCredential of `@azure/core-auth`, which a package need not have. */
export interface JobCredential {
  /** Rejects with the reason when the job may have no such token. `scopes`: one, as `https://vault.azure.net/.default`. */
  getToken(
    scopes: string | string[],
    options?: { readonly abortSignal?: { readonly aborted: boolean } },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number }>;
}

/** The argument of a timer's function: everything that a job has, and facts about the run. */
export interface TimerContext<Services = unknown>
  extends
    JobContext<Services>,
    Pick<Job, "jobId" | "batchId" | "tenantName" | "attempt" | "interruption" | "claimId" | "workerId"> {
  readonly timer: TimerFacts;
}

export interface ReportProgress {
  /** A fraction from 0 to 1, and the current activity. */
  (fraction: number, text?: string): void;
  /** The current activity, if the fraction is unknown. */
  (text: string): void;
}

/** The inputs of `setup`. */
export interface SetupContext {
  /** The unpacked package. */
  readonly packagePath: string;
  /** As in JobContext. In a shared process: those of the job that came first. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  readonly log: (...values: readonly unknown[]) => void;
}

/**
 * A package may have one `export const setup: Setup<Services> = async (context) => …`, in any source file that imports
 * `jobyard/job`. It runs once per process before the first job. Every job of the package receives its result as
 * `context.services`. If it throws, the job fails and is tried again as its retry policy says.
 */
export type Setup<Services = unknown> = (context: SetupContext) => Services | Promise<Services>;

/** The result of a job. */
export interface JobResult<Output = unknown> {
  /**
   * Kept with the job and returned by the API. Any value that JSON can hold, up to 30 KiB. Write larger results to
   * files below `outputPath`.
   */
  readonly output?: Output;
}
