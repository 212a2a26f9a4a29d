/** What a running job is given: what it has been asked to do (`Job`), and what it may use to do it (`JobContext`). */

/** The request, and which try of it this is. */
export interface Job<Parameters = unknown> {
  /** Names the job everywhere: API, logs, events. */
  readonly jobId: string;
  readonly batchId: string;
  readonly tenantName: string;
  /** What the submitter called this job, for people. */
  readonly jobName: string;
  readonly jobType: string;
  /** The submitted parameters, parsed from JSON: checked by the definition's `parameters` function if it has one. */
  readonly parameters: Parameters;
  /** Counts tries by the job's own failures, from 1. A try that was interrupted is repeated under the same number. */
  readonly attempt: number;
  /** How often this job was interrupted (crash, eviction, drain) before this try: 0 in the ordinary case. */
  readonly interruption: number;
  /**
   * Different for every start of this job, the same throughout one start. Jobs run at least once; an effect outside
   * that must happen exactly once can be keyed by `jobId` and fenced by `claimId`.
   */
  readonly claimId: string;
  /** The worker that runs it: what logs and the list of workers call it. `local` with `jobyard run`. */
  readonly workerId: string;
  /** For runs of a timer: grows from one start of the timer to the next, so that an older one can be told. */
  readonly fence?: number | undefined;
}

/** Why a run of a timer was started: it was due, somebody asked for it, or its package was published. */
export type TimerCause = "schedule" | "manual" | "deploy";

/** What a run of a timer is told about its tick. */
export interface TimerFacts {
  readonly name: string;
  readonly trigger: TimerCause;
  /** The time it was due, by the schedule and never by a clock; for other triggers, when it was asked for. */
  readonly scheduledAt: Date;
  /** It was due longer ago than `graceSeconds` when this try started. */
  readonly isPastDue: boolean;
  /** Ticks before this one that were not run, and for which this run stands. */
  readonly missedCount: number;
  readonly firstMissedAt?: Date | undefined;
  readonly lastMissedAt?: Date | undefined;
  /**
   * Grows with every start of this timer, retries included. An effect outside that keeps the largest number it has seen,
   * and refuses smaller ones, cannot be spoilt by a run that was given up. 0: this run is none of the timer's own
   * (`jobyard run`, or its job type submitted as an ordinary job).
   */
  readonly fence: number;
}

/** What a job may use while it runs. Paths are absolute and, but for the package of isolation `reuse`, private to this try. */
export interface JobContext<Services = unknown> {
  /** A copy of the unpacked package: code and the data files shipped with it. With isolation `reuse`, others read it too. */
  readonly packagePath: string;
  /** An empty directory for temporary files, removed afterwards. The current directory, except with isolation `reuse`. */
  readonly workingPath: string;
  /** Whatever file lies here when the job succeeds is kept as an artifact, under its relative path. */
  readonly outputPath: string;
  /** Tells watchers how far the job is. Cheap: reports that come too fast are merged, the latest wins. */
  readonly progress: ReportProgress;
  /** Writes a line to the job's log, formatted like `console.log`, whose output is captured as well. */
  readonly log: (...values: readonly unknown[]) => void;
  /**
   * Aborted when the job is canceled, runs out of time, or its worker shuts down. The process is killed after a grace
   * period; a job that passes the signal on (`fetch(url, { signal })`) or checks it in its loop ends cleanly instead.
   */
  readonly signal: AbortSignal;
  /** What the package's `setup` returned; undefined if it has none. */
  readonly services: Services;
}

/** What the function of a timer gets: everything a job has, with what it is and why it runs. */
export interface TimerContext<Services = unknown>
  extends
    JobContext<Services>,
    Pick<Job, "jobId" | "batchId" | "tenantName" | "attempt" | "interruption" | "claimId" | "workerId"> {
  readonly timer: TimerFacts;
}

export interface ReportProgress {
  /** A fraction from 0 to 1, and what is being done now. */
  (fraction: number, text?: string): void;
  /** What is being done now, when nobody knows how much is left. */
  (text: string): void;
}

/** What `setup` may use. */
export interface SetupContext {
  /** The unpacked package. */
  readonly packagePath: string;
  readonly log: (...values: readonly unknown[]) => void;
}

/**
 * A package may have one `export const setup: Setup<Services> = async (context) => …`, in any source file that imports
 * `jobyard/job`. It runs once per process before the first job; what it returns reaches every job of the package as
 * `context.services`. If it throws, the job fails and is tried again as its retry policy says.
 */
export type Setup<Services = unknown> = (context: SetupContext) => Services | Promise<Services>;

/** What a job may return. */
export interface JobResult {
  /**
   * Kept with the job and shown to whoever asks for it. Anything `JSON.stringify` can express, up to 30 KiB; larger
   * results belong into files below `outputPath`.
   */
  readonly output?: unknown;
}
