/**
 * Writes how an attempt ended and settles its message: row first, then the next bell, then the old one. A crash between
 * any two leaves a redelivery that finishes the step by the protocol's table.
 */
import { BELL_VERSION, bellMessageId, type Bell } from "../../core/job/bell.ts";
import { InvariantError } from "../../core/errors.ts";
import type { AttemptOutcome, Failure } from "../../core/job/job.ts";
import { FAILURE_MESSAGE_MAX_LENGTH, MAX_INTERRUPTIONS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { ReceivedMessage, JobQueue } from "../../core/ports/job-queue.ts";
import type { JobChanges } from "../../core/ports/job-store.ts";
import { endingOf, decideDelivery, type AttemptResult, type Ending } from "../../core/job/protocol.ts";
import { backoffMs } from "../../core/job/retry.ts";
import type { BatchCompletion, RunningJob } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { Limits } from "../../lifecycle/limits/limits.ts";
import type { MeasuredAttempt } from "../../lifecycle/job-measures.ts";
import { eventJobOf, measuredOf, type Claimed } from "./claim.ts";
import type { Execution } from "./execution.ts";
import type { OwnedRow, RowChange } from "./owned-row.ts";
import type { Interruption } from "./machine-fault.ts";
import { retryWhileLocked } from "./retry-while-locked.ts";
import { deadLetterReason, settleByTable, startsNothing } from "./settle-by-table.ts";
import type { Clock } from "../../core/clock.ts";

type Ended = Exclude<Execution, { readonly kind: "lost" }>;

export interface SettlementDeps {
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: BatchCompletion;
  readonly events: JobEvents;
  readonly limits?: Limits | undefined;
  readonly now: Clock["now"];
  readonly random: () => number;
}

export interface SettlementContext {
  readonly delivery: ReceivedMessage;
  readonly claimed: Claimed;
  readonly row: OwnedRow;
  readonly running: RunningJob;
  readonly measured: MeasuredAttempt;
  /** Fires when the lock is lost: nothing may be written or settled any more. */
  readonly lost: AbortSignal;
  readonly log: Logger;
}

type Patience = Parameters<typeof retryWhileLocked>[2];

export async function settle(ended: Ended, context: SettlementContext, deps: SettlementDeps): Promise<void> {
  const { delivery, claimed, row, lost, log } = context;
  const patience = { until: lost, log };
  const endedAt = deps.now();
  const chance = deps.random();
  const decide = (): Decision => decideEnd(ended, { claimed, cancelWanted: row.cancelWanted.aborted, endedAt, chance });

  const result = await retryWhileLocked("recording the end", () => row.write(decide), patience);
  if (!result.written) {
    // Another process moved the row, or this write landed and its answer was lost. The table decides.
    const delivered = { bell: { ring: claimed.ring }, queue: delivery.queue, sequenceNumber: delivery.sequenceNumber };
    const decision = decideDelivery(result.current?.value, delivered, claimed.claim.id);
    if (startsNothing(decision)) {
      await retryWhileLocked("settling", () => settleByTable(delivery, result.current, decision, deps), patience);
    } else {
      log.warn({ decision: decision.action }, "the claim is gone; leaving the message to its next receiver");
    }
    return;
  }
  const { ending, failure, runAt } = result.change;
  log.info({ to: ending.to, endedAs: ended.kind, code: failure?.code }, "attempt ended");
  context.measured.ended(ended.kind, endedAt.getTime() - claimed.claim.since.getTime());
  announce(ended, result.change, endedAt, claimed, deps.events);

  // R12: before the message is settled, so that after a crash in between the redelivery checks the batch again.
  if (ending.to !== "queued") await retryWhileLocked("completing the batch", () => context.running.ended(), patience);
  // R24: at an end and at every return to queued, and also before the message is settled.
  const leave = (): Promise<void> => leavePlace(claimed, deps, patience);
  switch (ending.bell) {
    case "complete":
      await leave();
      return retryWhileLocked("completing", () => delivery.complete(), patience);
    case "dead-letter":
      await leave();
      return retryWhileLocked("dead-lettering", () => delivery.deadLetter(...deadLetterReason(failure)), patience);
    case "send-next-then-complete": {
      const bell = nextBell(claimed, ending, result.etag);
      const outgoing = { bell, messageId: bellMessageId(bell.jobId, bell.ring), enqueueAt: runAt };
      await retryWhileLocked("sending the next bell", () => deps.queue.send(delivery.queue, [outgoing]), patience);
      await leave();
      return retryWhileLocked("completing", () => delivery.complete(), patience);
    }
  }
}

async function leavePlace({ jobId, start }: Claimed, { limits }: SettlementDeps, patience: Patience): Promise<void> {
  if (limits?.hold(jobId, start) !== true) return;
  const { jobType, concurrencyKey } = start;
  await retryWhileLocked("waking who waits", () => limits.left({ jobId, jobType, concurrencyKey }), patience);
}

/** Before the batch is checked, so that the event of its completion comes after the end of its last job. */
function announce(
  ended: Ended,
  { ending, failure, runAt }: Decision,
  endedAt: Date,
  claimed: Claimed,
  events: SettlementDeps["events"],
): void {
  const job = eventJobOf(claimed);
  const { measures } = events;
  if (ended.kind === "interrupted") measures.interrupted(measuredOf(claimed));
  if (ending.to === "queued") {
    if (ended.kind === "failed") measures.retried(measuredOf(claimed));
    events.retrying({ ...job, ring: job.ring + 1, runAt }, failure);
    return;
  }
  const artifactCount = "artifactCount" in ended ? ended.artifactCount : 0;
  events.completed({ ...job, state: ending.to, claimId: claimed.claim.id, failure, artifactCount, endedAt });
  measures.ended(measuredOf(claimed), ending.to);
}

/** How the row is to end, and what the message's settlement needs to know of it. */
interface Decision extends RowChange {
  readonly ending: Ending;
  readonly failure: Failure | undefined;
  readonly runAt: Date | undefined;
}

interface DecisionFacts {
  readonly claimed: Claimed;
  readonly cancelWanted: boolean;
  readonly endedAt: Date;
  /** In [0, 1). */
  readonly chance: number;
}

function decideEnd(ended: Ended, { claimed, cancelWanted, endedAt, chance }: DecisionFacts): Decision {
  const { attempts, interruptions } = claimed.start;
  const { maxAttempts } = ended.retry;
  const ending = endingOf({ result: resultOf(ended), cancelWanted, attempts, interruptions, maxAttempts });
  const failure = failureOf(ended, ending, claimed, endedAt);
  const runAt = runAtOf(ended, ending, claimed, endedAt, chance);
  return {
    to: ending.to,
    changes: changesOf(ended, ending, { claimed, endedAt, failure, runAt }),
    ending,
    failure,
    runAt,
  };
}

function resultOf(ended: Ended): AttemptResult {
  return ended.kind === "failed" ? { kind: "failed", retryable: ended.retryable } : { kind: ended.kind };
}

const interruptedBy = (ended: Ended): Interruption | undefined =>
  ended.kind === "interrupted" ? ended.fault : undefined;

function failureOf(ended: Ended, ending: Ending, claimed: Claimed, failedAt: Date): Failure | undefined {
  const attempt = claimed.entry.attempt;
  if (ended.kind === "failed") {
    const { code, message, retryable, stack } = ended;
    return { code, message, attempt, failedAt, retryable, ...(stack !== undefined && { stack }) };
  }
  if (ending.to !== "failed") return undefined;
  const last = interruptedBy(ended);
  const reason = last === undefined ? "" : ` The last time: ${last.message}`;
  const message = `The job was interrupted more than ${MAX_INTERRUPTIONS} times.${reason}`;
  return {
    ...{ code: "WorkerLost", message: message.slice(0, FAILURE_MESSAGE_MAX_LENGTH) },
    ...{ attempt, failedAt, retryable: false },
  };
}

/** A retry waits for its backoff, and so does what failed by our fault; a job handed back by a drain goes on at once. */
function runAtOf(ended: Ended, ending: Ending, claimed: Claimed, now: Date, chance: number): Date | undefined {
  if (ending.to !== "queued" || (ended.kind === "interrupted" && ended.because === "drain")) return undefined;
  const { attempts, interruptions } = claimed.start;
  const count = ending.counts === "attempts" ? attempts : interruptions;
  return new Date(now.getTime() + backoffMs(ended.retry, count + 1, chance));
}

interface ChangeFacts {
  readonly claimed: Claimed;
  readonly endedAt: Date;
  readonly failure: Failure | undefined;
  readonly runAt: Date | undefined;
}

function changesOf(ended: Ended, ending: Ending, { claimed, endedAt, failure, runAt }: ChangeFacts): JobChanges {
  const { start, entry } = claimed;
  const outcome: AttemptOutcome = ended.kind;
  // What interrupted it says more than that it was interrupted too often.
  const code = interruptedBy(ended)?.code ?? failure?.code;
  const changes: JobChanges = {
    history: [{ ...entry, endedAt, outcome, ...(code !== undefined && { code }) }],
    packageHash: ended.packageHash,
    failure,
    attempts: start.attempts + (ended.kind === "failed" ? 1 : 0),
    interruptions: start.interruptions + (ended.kind === "interrupted" ? 1 : 0),
    ...(ended.progress && { progress: ended.progress }),
    ...("artifactCount" in ended && { artifactCount: ended.artifactCount }),
    ...(ended.kind === "succeeded" && { output: ended.output }),
  };
  return ending.to === "queued"
    ? { ...changes, ring: claimed.ring + 1, claim: undefined, runAt, startedAt: undefined }
    : { ...changes, endedAt };
}

/** The bell of the row as it now is. */
function nextBell(claimed: Claimed, ending: Ending, etag: string): Bell {
  if (ending.to !== "queued") throw new InvariantError("Only a queued job has a next bell.");
  const { start, entry, jobId, ring } = claimed;
  return {
    version: BELL_VERSION,
    jobId,
    ring: ring + 1,
    etag,
    start: {
      ...start,
      executions: start.executions + 1,
      attempts: start.attempts + (ending.counts === "attempts" ? 1 : 0),
      interruptions: start.interruptions + (ending.counts === "interruptions" ? 1 : 0),
      ...(entry.trace !== undefined && { previousTrace: entry.trace }),
    },
  };
}
