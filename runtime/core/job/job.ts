/**
 * What a job and a batch are, in the words used everywhere: one request (job), tried one or more times (attempts),
 * together with others (batch). These are the shapes inside the system; tables and HTTP have their own, made from them.
 */
import type { Notice } from "./notice.ts";
import type { Priority } from "./priority.ts";
import type { RetryOverrides } from "./retry.ts";
import type { JobState, StateCounts } from "./states.ts";

/** A failure as it is stored and shown: no token, no payload. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly failedAt: Date;
  /** Whether another attempt could have helped. */
  readonly retryable: boolean;
  /** The first frames where the job's code threw, in lines of its source. */
  readonly stack?: string;
}

/** A worker's exclusive right to a running job. Every write while it runs is conditional on it. */
export interface Claim {
  /** A fresh GUID per claim; also part of the path of everything the attempt writes to blobs. */
  readonly id: string;
  readonly workerId: string;
  /** One run of the worker process: distinguishes a restarted worker from the one that claimed. */
  readonly bootId: string;
  /** The queue and sequence number of the message the claim was made with: its redelivery proves the owner is gone. */
  readonly queue: string;
  readonly sequenceNumber: string;
  readonly since: Date;
}

export type AttemptOutcome = "succeeded" | "failed" | "canceled" | "interrupted";

/** One start of the job, kept on its row. `endedAt` is absent while it runs, or when its worker died. */
export interface HistoryEntry {
  /** Counts starts over the life of the job, from 1. */
  readonly execution: number;
  /** Counts tries by the job's own failures, from 1; an interrupted try keeps its number. */
  readonly attempt: number;
  readonly workerId: string;
  readonly claimId: string;
  readonly startedAt: Date;
  readonly endedAt?: Date;
  readonly outcome?: AttemptOutcome;
  /** Of a failed attempt its failure's; of an interrupted one what was at fault, if that is known. */
  readonly code?: string;
  /** The `traceparent` of its span, which the next start links to. */
  readonly trace?: string;
}

export interface Progress {
  /** 0 to 1, when the job knows. */
  readonly fraction?: number;
  readonly text?: string;
}

/** What the caller asked for. Never changes after submit. */
export interface JobRequest {
  /** The submitter's own id for it, unique within the tenant. */
  readonly clientJobId: string | undefined;
  readonly jobType: string;
  readonly jobName: string;
  readonly jobProcessorPackageName: string;
  /** JSON text, exactly as given; undefined: too large for the row, read it from `job-input`. */
  readonly parameters: string | undefined;
  readonly priority: Priority;
  readonly pool: string;
  /** What the submitter asks for; fields not given come from the package, then from the default. */
  readonly retry: RetryOverrides;
  /** A job that has not been started by then fails instead. Undefined: it waits for ever. */
  readonly expiresAt: Date | undefined;
  /** An attempt that runs longer is stopped and counts as failed. Undefined: the package's, then the default. */
  readonly timeoutMs: number | undefined;
  /** Under which key it counts for the limits of its type. Absent: no such limit holds for it. */
  readonly concurrencyKey?: string | undefined;
  readonly rateKey?: string | undefined;
}

/** The row of a job: the truth about it. */
export interface Job extends JobRequest {
  readonly jobId: string;
  readonly batchId: string;
  readonly tenantName: string;
  readonly state: JobState;
  /** Grows at every return to queued and is never reset: names the message that may start the job. */
  readonly ring: number;
  /** The job's own failures since submit or requeue. */
  readonly attempts: number;
  /** Tries ended by us: crash, drain, lost lock. */
  readonly interruptions: number;
  /** Starts over the whole life of the job. */
  readonly executions: number;
  readonly claim: Claim | undefined;
  readonly cancelWanted: boolean;
  /** Set by a requeue until a worker has reopened the batch. */
  readonly reopen: boolean;
  /** Not to be started before. */
  readonly runAt: Date | undefined;
  readonly submittedAt: Date;
  readonly submittedBy: string;
  /** No other job of its type with this key is queued or running. Undefined: it need not be unique. */
  readonly uniqueKey?: string | undefined;
  /** The `traceparent` of its submit: the parent of every attempt's span. */
  readonly trace?: string | undefined;
  /** Of the request that submitted it; finds its log lines. Undefined: a timer's tick, or an older row. */
  readonly requestId: string | undefined;
  /** Of the latest attempt. */
  readonly startedAt: Date | undefined;
  readonly endedAt: Date | undefined;
  readonly progress: Progress | undefined;
  /** JSON text of what the job returned. */
  readonly output: string | undefined;
  readonly artifactCount: number;
  readonly failure: Failure | undefined;
  /** Hash of the package version the latest attempt used. */
  readonly packageHash: string | undefined;
  /** Oldest first, the latest `HISTORY_MAX_ENTRIES`. */
  readonly history: readonly HistoryEntry[];
  /** Its own and those of its batch, at most TAGS_MAX_COUNT. Undefined: none. */
  readonly tags?: readonly string[] | undefined;
  /** The job whose request this one repeats with other parameters. */
  readonly originJobId?: string | undefined;
}

/** The fields of a new job's row. */
export const UNTOUCHED_JOB = {
  state: "queued",
  ring: 1,
  attempts: 0,
  interruptions: 0,
  executions: 0,
  claim: undefined,
  cancelWanted: false,
  reopen: false,
  startedAt: undefined,
  endedAt: undefined,
  progress: undefined,
  output: undefined,
  artifactCount: 0,
  failure: undefined,
  packageHash: undefined,
  history: [],
} as const satisfies Partial<Job>;

/** `open` accepts jobs; `closed` accepts no more and still finishes; `canceled` ends what is not ended. */
export const BATCH_STATES = ["open", "closed", "canceled"] as const;
export type BatchState = (typeof BATCH_STATES)[number];

/** The completion of a batch, as webhooks are told. */
export interface BatchEnd {
  readonly generation: number;
  readonly state: BatchState;
  readonly completedAt: Date;
  readonly counts: StateCounts;
}

/** What webhooks are told of the failed jobs of a batch. */
export interface FailureNotice extends Notice {
  /** Some of them, FAILED_JOBS_TOLD_MAX_COUNT at most. */
  readonly jobIds: readonly string[];
}

export interface Batch {
  readonly batchId: string;
  readonly tenantName: string;
  readonly batchName: string;
  /** Priority of jobs that name none. */
  readonly priority: Priority;
  /** The worker pool that runs the batch. */
  readonly pool: string;
  readonly state: BatchState;
  /** Grows when a completed batch is opened again by a requeue. */
  readonly generation: number;
  /** The latest generation of which all jobs have ended; 0: none yet. Equal to `generation`: the batch is complete. */
  readonly completedGeneration: number;
  readonly completedAt: Date | undefined;
  /** Completions that are not announced to webhooks yet, oldest first. */
  readonly unannounced: readonly BatchEnd[];
  /** The latest notice of its failed jobs. Undefined: there was none. */
  readonly failureNotice?: FailureNotice | undefined;
  /** All jobs have ended long ago and nothing can be missing: the sweeper passes over it. Accepting a job unsets it. */
  readonly atRest: boolean;
  /** When the sweeper looks through its jobs again, for parts that are due to be removed. Undefined: at the next round. */
  readonly forgetAt?: Date | undefined;
  /** When the last such look began. All that was due then is gone. */
  readonly forgottenAt?: Date | undefined;
  /** The counts of a batch whose jobs are all removed, and whose counters are about to be (R48). */
  readonly frozenCounts?: StateCounts | undefined;
  readonly shardCount: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** Its jobs get them at submit. Undefined: none. */
  readonly tags?: readonly string[] | undefined;
  /** All changes of its jobs before then are in the index. Undefined: nobody has looked. */
  readonly indexedAt?: Date | undefined;
}

/** The fields of a new batch's row. */
export const NEW_BATCH = {
  state: "open",
  generation: 1,
  completedGeneration: 0,
  completedAt: undefined,
  unannounced: [],
  atRest: false,
} as const satisfies Partial<Batch>;
