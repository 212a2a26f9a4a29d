/** What the writes say that start a received job, or end it unstarted (steps 2 and 3 of the protocol). Without I/O. */
import { type Bell, type StartData, startDataOf } from "../../core/job/bell.ts";
import type { EndedJob } from "../../core/job/events.ts";
import { closeLastEntry, workerLostFailure } from "../../core/job/handback.ts";
import type { Claim, Failure, HistoryEntry, Job } from "../../core/job/job.ts";
import type { JobChanges, JobUpdate } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";

export type ClaimWrite = StartWrite | EndWrite;

/** The job may start when this has landed. */
interface StartWrite extends Start {
  readonly kind: "start";
  readonly update: JobUpdate;
}

/** The job has ended when this has landed; it was not started, or not again. */
interface EndWrite {
  readonly kind: "end";
  readonly update: JobUpdate;
  readonly ended: EndedJob;
  readonly concurrencyKey: string | undefined;
}

export interface Start {
  readonly start: StartData;
  /** This start, as the row's history has it. */
  readonly entry: HistoryEntry;
}

/**
 * The claim of a queued job; or its end, when its time in the queue is over. Rows and bells have the same facts. `trace`:
 * the attempt's `traceparent`.
 */
export function writeForQueued(
  { jobId, ring, etag, start }: Omit<Bell, "version">,
  claim: Claim,
  trace?: string,
): ClaimWrite {
  const failure = expiryOf(start, claim.since);
  if (failure === undefined) {
    const entry = entryOf(claim, start, trace);
    const changes = startChanges(claim, start, entry);
    return {
      kind: "start",
      start,
      entry,
      update: { jobId, etag, from: "queued", to: "running", changes, facts: start },
    };
  }
  const endedAt = claim.since;
  const { jobName, jobType, executions } = start;
  const about = { jobId, jobName, jobType, ring, executions };
  return {
    kind: "end",
    concurrencyKey: start.concurrencyKey,
    ended: { ...about, state: "failed", claimId: undefined, failure, artifactCount: 0, endedAt },
    update: { jobId, etag, from: "queued", to: "failed", changes: { failure, endedAt, reopen: false }, facts: start },
  };
}

/** A time to live counts until the first start. */
function expiryOf({ expiresAt, attempts, interruptions }: StartData, now: Date): Failure | undefined {
  const wasStarted = attempts > 0 || interruptions > 0;
  if (wasStarted || expiresAt === undefined || Date.parse(expiresAt) >= now.getTime()) return undefined;
  return {
    code: "JobExpired",
    message: `The job was not started by ${expiresAt}, the end of its time to live in the queue.`,
    attempt: 1,
    failedAt: now,
    retryable: false,
  };
}

/** A new claim on a job whose worker is gone. Its last start is recorded as interrupted. */
export function writeForTakeover({ value: row, etag }: Stored<Job>, claim: Claim, trace?: string): ClaimWrite {
  const interruptions = row.interruptions + 1;
  const start: StartData = { ...startDataOf(row), interruptions };
  const entry = entryOf(claim, start, trace);
  const changes: JobChanges = {
    ...startChanges(claim, start, entry),
    interruptions,
    history: [...closeLastEntry(row, claim.since), entry],
  };
  return {
    kind: "start",
    start,
    entry,
    update: { jobId: row.jobId, etag, from: row.state, to: "running", changes, facts: row },
  };
}

/** The end of a job whose worker is gone and that is not started again. */
export function writeForLost({ value: row, etag }: Stored<Job>, as: "canceled" | "worker-lost", now: Date): ClaimWrite {
  const failure = as === "canceled" ? undefined : workerLostFailure(row, now);
  const to = as === "canceled" ? "canceled" : "failed";
  const changes: JobChanges = {
    endedAt: now,
    interruptions: row.interruptions + 1,
    history: closeLastEntry(row, now),
    ...(failure && { failure }),
  };
  return {
    kind: "end",
    concurrencyKey: row.concurrencyKey,
    ended: { ...row, state: to, claimId: row.claim?.id, failure, endedAt: now },
    update: { jobId: row.jobId, etag, from: row.state, to, changes, facts: row },
  };
}

/**
 * The start that a claim of ours has already written. It is read from the row: after an outage this may be another call
 * than the one that wrote it, and it would know the bell's old counts only (R4).
 */
export function startWritten(row: Job, claim: Claim): Start {
  const start: StartData = { ...startDataOf(row), executions: row.executions - 1 };
  const entry = row.history.find(({ claimId }) => claimId === claim.id) ?? entryOf(claim, start);
  return { start, entry };
}

const entryOf = (claim: Claim, start: StartData, trace?: string): HistoryEntry => ({
  execution: start.executions + 1,
  attempt: start.attempts + 1,
  workerId: claim.workerId,
  claimId: claim.id,
  startedAt: claim.since,
  ...(trace !== undefined && { trace }),
});

const startChanges = (claim: Claim, start: StartData, entry: HistoryEntry): JobChanges => ({
  claim,
  executions: start.executions + 1,
  startedAt: claim.since,
  endedAt: undefined,
  runAt: undefined,
  progress: undefined,
  ...(start.reopen === true && { reopen: false }),
  history: [entry],
});
