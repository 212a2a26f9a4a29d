/**
 * From a received message to a claimed job (steps 2 and 3 of the protocol), or to a settled message that starts nothing.
 * The first write is made on the ETag in the message, without a read; after anything but a clear success the protocol's
 * table decides. Two kinds of jobs are read first: requeued ones, because their batch is written before the claim, and
 * those that an admission decides about.
 */
import { startDataOf, type Bell, type StartData } from "../../core/job/bell.ts";
import { InvariantError } from "../../core/errors.ts";
import type { EndedJob, EventJob } from "../../core/job/events.ts";
import { closeLastEntry, workerLostFailure } from "../../core/job/handback.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Claim, Failure, HistoryEntry, Job } from "../../core/job/job.ts";
import type { Subject } from "../../core/job/message.ts";
import type { Admission } from "../../core/ports/admission.ts";
import type { ReceivedMessage, JobQueue } from "../../core/ports/job-queue.ts";
import type { JobChanges, JobStore, JobUpdate } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { decideDelivery } from "../../core/job/protocol.ts";
import type { JobState } from "../../core/job/states.ts";
import type { Logger } from "../../core/logger.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { deadLetterReason, settleByTable, startsNothing } from "./settle-by-table.ts";

export interface ClaimDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: BatchCompletion;
  readonly events: JobEvents;
  /** Default: every queued job may start. */
  readonly admission?: Admission | undefined;
  readonly workerId: string;
  readonly bootId: string;
  readonly now: () => Date;
  readonly log: Logger;
}

export interface Claimed {
  readonly jobId: string;
  readonly ring: number;
  readonly claim: Claim;
  readonly etag: string;
  readonly cancelWanted: boolean;
  readonly start: StartData;
  /** This start, as its row's history has it. */
  readonly entry: HistoryEntry;
  /** Of an admitted job: larger than that of every start before. */
  readonly fence?: number | undefined;
}

/** A write that decides about the job, and what it means for the message when it lands. */
type Step =
  | { readonly kind: "claim"; readonly update: JobUpdate; readonly start: StartData; readonly entry: HistoryEntry }
  | { readonly kind: "end"; readonly update: JobUpdate; readonly ended: EndedJob };

export interface ClaimRequest {
  readonly delivery: ReceivedMessage;
  /** All of a bell; of the tick of a timer, what it is about. */
  readonly bell: Bell | Subject;
  /** Fresh for this delivery, and the same when the call is repeated: how a write whose answer was lost is recognised. */
  readonly claimId: string;
}

/** Undefined: the message is settled and nothing is to be run. Stops early when `signal` fires, by its reason. */
export async function claimJob(
  { delivery, bell, claimId }: ClaimRequest,
  deps: ClaimDeps,
  signal: AbortSignal,
): Promise<Claimed | undefined> {
  const { jobId } = bell;
  const claim: Claim = {
    id: claimId,
    workerId: deps.workerId,
    bootId: deps.bootId,
    queue: delivery.queue,
    sequenceNumber: delivery.sequenceNumber,
    since: deps.now(),
  };
  const admission = deps.admission?.appliesTo(jobId) === true ? deps.admission : undefined;
  let step: Step | undefined;
  let fence: number | undefined;
  // R13: the row says whether to reopen its batch. A bell that comes again may find the job ended and the batch complete.
  if ("start" in bell && bell.start.reopen !== true && admission === undefined) {
    const { ring, start, etag } = bell;
    step = await stepFrom({ jobId, ring, etag, from: "queued", start, claim }, deps);
  }
  for (;;) {
    let current: Stored<Job> | undefined;
    if (step === undefined) {
      current = await deps.jobs.get(jobId);
    } else {
      const result = await deps.jobs.update(step.update);
      if (result.written) return finish(step, result.etag, { delivery, ring: bell.ring, claim, fence, deps });
      current = result.current;
    }
    signal.throwIfAborted();

    const delivered = { bell, queue: delivery.queue, sequenceNumber: delivery.sequenceNumber };
    const meeting = decideDelivery(current?.value, delivered, claim.id);
    if (startsNothing(meeting)) {
      await settleByTable(delivery, current, meeting, deps);
      return undefined;
    }
    if (current === undefined) throw new InvariantError("A job without a row cannot start.");
    if (admission !== undefined && meeting.action === "claim") {
      const admitted = await admission.admit(current, { delivery, signal, log: deps.log });
      if (admitted.kind === "settled") return undefined;
      step = undefined;
      if (admitted.kind === "moved") continue;
      ({ fence } = admitted);
    } else if (admission !== undefined) {
      fence = await admission.renewFence(current.value);
    }
    if (meeting.action === "adopt") return announced({ ...adopt(current, claim), fence }, deps);
    if (meeting.action === "take-over" && meeting.as !== "running") {
      step = endStep(current, meeting.as, claim.since);
      continue;
    }
    step = await stepFromRow(current, meeting.action === "take-over", claim, deps);
  }
}

interface StartFacts {
  readonly jobId: string;
  readonly ring: number;
  readonly etag: string;
  readonly from: JobState;
  readonly start: StartData;
  readonly claim: Claim;
}

/** The claim of a queued job; or its end, when its time in the queue is over. */
async function stepFrom(
  { jobId, ring, etag, from, start, claim }: StartFacts,
  { completion }: ClaimDeps,
): Promise<Step> {
  // R13: a batch that was completed must not stay so while one of its jobs runs.
  if (start.reopen === true) await completion.reopenBatch(jobIdParts(jobId).batchId);
  const neverStarted = start.attempts === 0 && start.interruptions === 0;
  if (
    from === "queued" &&
    neverStarted &&
    start.expiresAt !== undefined &&
    Date.parse(start.expiresAt) < claim.since.getTime()
  ) {
    const failure: Failure = {
      code: "JobExpired",
      message: `The job was not started by ${start.expiresAt}, the end of its time to live in the queue.`,
      attempt: 1,
      failedAt: claim.since,
      retryable: false,
    };
    const { jobName, jobType, executions } = start;
    const about = { jobId, jobName, jobType, ring, executions };
    return {
      kind: "end",
      ended: { ...about, state: "failed", claimId: undefined, failure, artifactCount: 0, endedAt: claim.since },
      update: { jobId, etag, from, to: "failed", changes: { failure, endedAt: claim.since, reopen: false } },
    };
  }
  const entry = entryOf(claim, start);
  return {
    kind: "claim",
    start,
    entry,
    update: { jobId, etag, from, to: "running", changes: claimChanges(claim, start, entry) },
  };
}

async function stepFromRow(
  { value: row, etag }: Stored<Job>,
  takesOver: boolean,
  claim: Claim,
  deps: ClaimDeps,
): Promise<Step> {
  const interruptions = row.interruptions + (takesOver ? 1 : 0);
  const start: StartData = { ...startDataOf(row), interruptions };
  const step = await stepFrom({ jobId: row.jobId, ring: row.ring, etag, from: row.state, start, claim }, deps);
  if (!takesOver || step.kind !== "claim") return step;
  const history = [...closeLastEntry(row, claim.since), step.entry];
  return { ...step, update: { ...step.update, changes: { ...step.update.changes, interruptions, history } } };
}

/** A job whose worker is gone and that is not to be started again. */
function endStep({ value: row, etag }: Stored<Job>, as: "canceled" | "worker-lost", now: Date): Step {
  const failure = as === "canceled" ? undefined : workerLostFailure(row, now);
  const changes: JobChanges = {
    endedAt: now,
    interruptions: row.interruptions + 1,
    history: closeLastEntry(row, now),
    ...(failure && { failure }),
  };
  const to = as === "canceled" ? "canceled" : "failed";
  return {
    kind: "end",
    ended: { ...row, state: to, claimId: row.claim?.id, failure, endedAt: now },
    update: { jobId: row.jobId, etag, from: row.state, to, changes },
  };
}

interface FinishFacts {
  readonly delivery: ReceivedMessage;
  readonly ring: number;
  readonly claim: Claim;
  readonly fence: number | undefined;
  readonly deps: ClaimDeps;
}

async function finish(
  step: Step,
  etag: string,
  { delivery, ring, claim, fence, deps }: FinishFacts,
): Promise<Claimed | undefined> {
  const { jobId } = step.update;
  if (step.kind === "claim") {
    const { start, entry } = step;
    return announced({ jobId, ring, claim, etag, cancelWanted: false, start, entry, fence }, deps);
  }
  const { failure } = step.ended;
  deps.events.completed(step.ended);
  await deps.completion.afterJobEnded(jobIdParts(jobId).batchId);
  if (failure === undefined) await delivery.complete();
  else await delivery.deadLetter(...deadLetterReason(failure));
  return undefined;
}

function announced(claimed: Claimed, { events }: ClaimDeps): Claimed {
  events.started(eventJobOf(claimed), claimed.entry);
  return claimed;
}

/** The claimed job as its events name it. */
export const eventJobOf = ({ jobId, ring, start, entry }: Claimed): EventJob => ({
  jobId,
  jobName: start.jobName,
  jobType: start.jobType,
  ring,
  executions: entry.execution,
});

/**
 * Our own claim stands; its answer was lost, or somebody moved the row since. What it started from is read from the row:
 * after an outage this may be another call than the one that wrote it, and it would know the bell's old counts only.
 */
function adopt({ value: row, etag }: Stored<Job>, claim: Claim): Claimed {
  const start: StartData = { ...startDataOf(row), executions: row.executions - 1 };
  const entry = row.history.find(({ claimId }) => claimId === claim.id) ?? entryOf(claim, start);
  return { jobId: row.jobId, ring: row.ring, claim, etag, cancelWanted: row.cancelWanted, start, entry };
}

const entryOf = (claim: Claim, start: StartData): HistoryEntry => ({
  execution: start.executions + 1,
  attempt: start.attempts + 1,
  workerId: claim.workerId,
  claimId: claim.id,
  startedAt: claim.since,
});

const claimChanges = (claim: Claim, start: StartData, entry: HistoryEntry): JobChanges => ({
  claim,
  executions: start.executions + 1,
  startedAt: claim.since,
  endedAt: undefined,
  runAt: undefined,
  progress: undefined,
  ...(start.reopen === true && { reopen: false }),
  history: [entry],
});
