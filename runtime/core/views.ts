/** What the web API answers: jobs and batches as callers see them. Instants are ISO 8601 in UTC. */
import type { Batch, Failure, HistoryEntry, Job, Progress } from "./job.ts";
import type { PeekedMessage } from "./ports.ts";
import type { Priority } from "./priority.ts";
import { totalOf, type JobState, type StateCounts } from "./states.ts";

type InstantsAsText<T> = { readonly [K in keyof T]: Date extends T[K] ? Exclude<T[K], Date> | string : T[K] };

export interface JobView {
  readonly jobId: string;
  readonly batchId: string;
  readonly tenantName: string;
  /** The submitter's own id. */
  readonly clientJobId?: string;
  readonly jobType: string;
  readonly jobName: string;
  readonly jobProcessorPackageName: string;
  /** Absent when none were given, or when they are too large to be kept beside the job. */
  readonly parameters?: unknown;
  readonly priority: Priority;
  readonly pool: string;
  readonly state: JobState;
  /** Tries begun, not counting those interrupted by us. */
  readonly attempts: number;
  readonly interruptions: number;
  readonly cancelWanted: boolean;
  readonly submittedAt: string;
  readonly submittedBy: string;
  /** When a delayed or retried job will be started. */
  readonly runAt?: string;
  /** Not started by then, it fails instead. */
  readonly expiresAt?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly workerId?: string;
  readonly progress?: Progress;
  readonly output?: unknown;
  readonly artifactCount: number;
  readonly failure?: InstantsAsText<Failure>;
  /** SHA-256 of the package version the latest attempt used. */
  readonly packageHash?: string;
  readonly history: readonly InstantsAsText<HistoryEntry>[];
}

export interface BatchView {
  readonly batchId: string;
  readonly tenantName: string;
  readonly batchName: string;
  readonly priority: Priority;
  readonly pool: string;
  readonly state: Batch["state"];
  /** Grows when a complete batch gets work again by a requeue. */
  readonly generation: number;
  /** When the last job of this generation ended; absent: not yet, or the batch is open. */
  readonly completedAt?: string;
  readonly createdAt: string;
  readonly createdBy: string;
  /** Jobs per state, exact. Left out of lists. */
  readonly counts?: StateCounts & { readonly total: number };
}

/** A message the broker has set aside: the record of a job that failed, or one that no worker could read. */
export interface DeadLetterView {
  readonly queue: string;
  /** Names the letter within its queue. */
  readonly sequenceNumber: string;
  /** Absent: the message is no bell of ours. */
  readonly jobId?: string;
  readonly jobType?: string;
  readonly messageId: string;
  readonly reason?: string;
  readonly description?: string;
  /** When the message was sent, or became due. */
  readonly enqueuedAt: string;
}

export function deadLetterView(queue: string, letter: PeekedMessage): DeadLetterView {
  const { parsed, messageId, sequenceNumber, enqueuedAt, reason, description } = letter;
  return {
    queue,
    sequenceNumber,
    ...(parsed.ok && { jobId: parsed.bell.jobId, jobType: parsed.bell.start.jobType }),
    messageId,
    ...(reason === undefined ? {} : { reason }),
    ...(description === undefined ? {} : { description }),
    enqueuedAt: enqueuedAt.toISOString(),
  };
}

export function jobView(job: Job): JobView {
  const last = job.history.at(-1);
  return {
    jobId: job.jobId,
    batchId: job.batchId,
    tenantName: job.tenantName,
    ...(job.clientJobId !== undefined && { clientJobId: job.clientJobId }),
    jobType: job.jobType,
    jobName: job.jobName,
    jobProcessorPackageName: job.jobProcessorPackageName,
    ...(job.parameters === undefined ? {} : { parameters: JSON.parse(job.parameters) as unknown }),
    priority: job.priority,
    pool: job.pool,
    state: job.state,
    attempts: job.state === "queued" ? job.attempts : (last?.attempt ?? job.attempts),
    interruptions: job.interruptions,
    cancelWanted: job.cancelWanted,
    submittedAt: job.submittedAt.toISOString(),
    submittedBy: job.submittedBy,
    ...(job.runAt && { runAt: job.runAt.toISOString() }),
    ...(job.expiresAt && { expiresAt: job.expiresAt.toISOString() }),
    ...(job.startedAt && { startedAt: job.startedAt.toISOString() }),
    ...(job.endedAt && { endedAt: job.endedAt.toISOString() }),
    ...(job.claim && { workerId: job.claim.workerId }),
    ...(job.progress && { progress: job.progress }),
    ...(job.output === undefined ? {} : { output: JSON.parse(job.output) as unknown }),
    artifactCount: job.artifactCount,
    ...(job.failure && { failure: { ...job.failure, failedAt: job.failure.failedAt.toISOString() } }),
    ...(job.packageHash !== undefined && { packageHash: job.packageHash }),
    history: job.history.map(({ startedAt, endedAt, ...entry }) => ({
      ...entry,
      startedAt: startedAt.toISOString(),
      ...(endedAt && { endedAt: endedAt.toISOString() }),
    })),
  };
}

export function batchView(batch: Batch, counts?: StateCounts): BatchView {
  return {
    batchId: batch.batchId,
    tenantName: batch.tenantName,
    batchName: batch.batchName,
    priority: batch.priority,
    pool: batch.pool,
    state: batch.state,
    generation: batch.generation,
    ...(batch.completedAt && { completedAt: batch.completedAt.toISOString() }),
    createdAt: batch.createdAt.toISOString(),
    createdBy: batch.createdBy,
    ...(counts && { counts: { ...counts, total: totalOf(counts) } }),
  };
}
