/**
 * What the isolated execution of one attempt takes and gives: the contract between a worker's attempt and the process
 * that runs it. Everything that can go wrong inside the process is a result here, never an exception.
 */
import type { JobCode, PackageCode } from "../../core/errors.ts";
import type { Progress } from "../../core/job/job.ts";
import type { JobEntry } from "../../core/package/manifest.ts";
import type { Interruption } from "../attempt/machine-fault.ts";
import type { AskToken } from "../identity/token-broker.ts";
import type { GivenSettings } from "../settings/job-settings.ts";
import type { Workspace } from "./files/workspace.ts";

/** What the job knows about itself. */
export interface JobFacts {
  readonly jobId: string;
  readonly batchId: string;
  readonly tenantName: string;
  readonly jobName: string;
  readonly jobType: string;
  readonly jobProcessorPackageName: string;
  /** JSON text, as submitted. */
  readonly parameters: string;
  /** From 1. */
  readonly attempt: number;
  /** Tries ended by us before this one. */
  readonly interruption: number;
  readonly claimId: string;
  readonly workerId: string;
  /** For runs of a timer: grows from one start of the timer to the next. */
  readonly fence?: number | undefined;
  /** The `traceparent` that its own spans have as parent. */
  readonly trace?: string | undefined;
}

export type JobProcessSpec = OwnProcessSpec | SharedProcessSpec;

/** The job runs in a process of its own. */
export interface OwnProcessSpec extends CommonSpec {
  /** The unpacked package, this attempt's own copy. */
  readonly packagePath: string;
  readonly workspace: Workspace;
  readonly shared?: undefined;
}

/** The job runs in a process with others of its package. */
export interface SharedProcessSpec extends CommonSpec {
  readonly shared: SharedPackage;
}

interface CommonSpec {
  readonly job: JobFacts;
  readonly entry: JobEntry;
  /** Counts from the call of `startJobProcess`, so it includes loading the package. */
  readonly timeoutMs: number;
  /** Longest time without progress, log or output. Default: no limit. */
  readonly idleTimeoutMs?: number | undefined;
  /** Of all processes of the attempt; of a shared process, if it has one. Default: the worker's. */
  readonly memoryMb?: number | undefined;
  /** What the job gets to end by itself once it was asked to stop. Default: GRACE_DEFAULT_MS. */
  readonly graceMs?: number | undefined;
  /** What the tenant has given to the package. Undefined: the package declares nothing. */
  readonly settings?: GivenSettings | undefined;
  /** Asked for each token that the job wants. Default: none is given. */
  readonly askToken?: AskToken | undefined;
  /** At most ten calls a second, the latest progress wins; the last one comes before the result. Must not throw. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A package version that several jobs may run from at a time. Valid until the result. */
export interface SharedPackage {
  /** Names the content. */
  readonly hash: string;
  /** Puts a copy into a directory that does not exist. */
  copyTo(target: string, signal?: AbortSignal): Promise<void>;
}

/** `cancel`: the job must end. `drain`: this worker shuts down, the job will run elsewhere. */
export type StopReason = "cancel" | "drain";

export type ProcessResult =
  /** `output` is valid JSON text of at most OUTPUT_MAX_BYTES. */
  | { readonly kind: "succeeded"; readonly output: string | undefined }
  /** The job's own failure, its timeout included. `message` may be shown to users. */
  | {
      readonly kind: "failed";
      readonly code: JobCode | PackageCode;
      readonly message: string;
      readonly retryable: boolean;
      /** Where its code threw, in lines of its source. */
      readonly stack?: string;
    }
  /** It stopped because `cancel` was called. `forced`: not by itself. */
  | { readonly kind: "canceled"; readonly reason: StopReason; readonly forced: boolean }
  /** It was ended by `kill` before there was a result. */
  | { readonly kind: "killed" }
  /** It ran, and another job in its process or this machine ended it. Not the job's fault. */
  | ({ readonly kind: "interrupted" } & Interruption)
  /** This machine could not start a process; none of the job's code has run. Not the job's fault. */
  | ({ readonly kind: "not-started" } & Interruption);

/**
 * One attempt's process and all its descendants.
 *
 * | state    | meaning                                              | leaves by                                            |
 * |----------|------------------------------------------------------|------------------------------------------------------|
 * | running  | being started, or user code runs                     | result, exit, timeout, `cancel` → stopping; `kill`    |
 * | stopping | asked to end (or has ended by itself); grace runs    | exit → clearing; end of grace, `kill` → clearing      |
 * | clearing | SIGKILL to whatever is left, until nothing is        | last process gone → over                             |
 * | over     | `result` is settled, nothing of the attempt runs     | –                                                    |
 */
export interface JobProcess {
  /** Undefined until there is one. */
  readonly pid: number | undefined;
  /**
   * The directories of a job in a shared process, once it has asked for them. Whoever has started the job removes them
   * after the result. Undefined: it has none, or those of its spec.
   */
  readonly workspace: Workspace | undefined;
  /**
   * Settled when the attempt is over: no process of it runs any more, the log is complete, the last progress was
   * reported. Never rejects.
   */
  readonly result: Promise<ProcessResult>;
  /**
   * The log of the attempt, lines with time and source, while it runs and until it is over. One reader. Each chunk is all
   * that waited, so appending chunks one at a time makes few, large writes. Unread, it keeps at most LOG_MAX_BYTES.
   */
  readonly log: AsyncIterable<Uint8Array>;
  /**
   * Asks the job to stop (abort signal in Node, SIGTERM for commands) and ends it by force after the grace period. A
   * job that finished before it noticed has finished: `succeeded`. The first reason counts; never throws.
   */
  cancel(reason: StopReason): void;
  /**
   * Ends everything now. Resolves when nothing of the attempt runs any more, however long that takes. Any number of
   * times, at any moment.
   */
  kill(): Promise<void>;
}
