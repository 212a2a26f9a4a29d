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
  /** For runs of a timer: grows from one start of the timer to the next, so that an older one can be told. */
  readonly fence?: number | undefined;
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
