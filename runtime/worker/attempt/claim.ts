/**
 * From a received message to a claimed job, or to a settled message that starts nothing (steps 2 and 3 of the protocol).
 *
 * 1. The first write uses the ETag in the message, so most claims need no read. Requeued jobs, whose batch is written
 *    before the claim (R13), and jobs with an admission or a limit are read first.
 * 2. After anything but a clear success the row is known, and the protocol's table decides about it anew: another write,
 *    the claim that has landed after all, another read, or the end of the message. What a write says: claim-write.ts.
 */
import { type Bell, bellOf } from "../../core/job/bell.ts";
import { jobQueueParts } from "../../core/deployment/topology.ts";
import { InvariantError } from "../../core/errors.ts";
import type { EventJob } from "../../core/job/events.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Claim, Job } from "../../core/job/job.ts";
import type { Subject } from "../../core/job/message.ts";
import { decideDelivery } from "../../core/job/protocol.ts";
import { mayBeForgotten } from "../../core/job/retention.ts";
import type { Logger } from "../../core/logger.ts";
import type { Admission } from "../../core/ports/admission.ts";
import type { JobQueue, ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { Limits } from "../../lifecycle/limits/limits.ts";
import type { MeasuredJob } from "../../lifecycle/job-measures.ts";
import {
  type ClaimWrite,
  type Start,
  startWritten,
  writeForLost,
  writeForQueued,
  writeForTakeover,
} from "./claim-write.ts";
import { deadLetterReason, settleByTable, startsNothing } from "./settle-by-table.ts";
import type { Clock } from "../../core/clock.ts";

export interface ClaimDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: BatchCompletion;
  readonly events: JobEvents;
  /** Default: every queued job may start. */
  readonly admission?: Admission | undefined;
  /** Default: no limit holds. */
  readonly limits?: Limits | undefined;
  readonly workerId: string;
  readonly bootId: string;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export interface ClaimRequest {
  readonly delivery: ReceivedMessage;
  /** All of a bell; of the tick of a timer, what it is about. */
  readonly bell: Bell | Subject;
  /** New for this delivery, and the same when the call is repeated: it tells an own write whose answer was lost (R4). */
  readonly claimId: string;
  /** The attempt's `traceparent`, kept with the start. */
  readonly trace?: string | undefined;
}

export interface Claimed extends Start {
  readonly jobId: string;
  readonly ring: number;
  readonly claim: Claim;
  readonly etag: string;
  readonly cancelWanted: boolean;
  /** Of an admitted job: larger than that of every start before. */
  readonly fence?: number | undefined;
}

/** What is known of this delivery, whatever the row says. */
interface Delivered {
  readonly delivery: ReceivedMessage;
  readonly bell: Bell | Subject;
  readonly claim: Claim;
  /** The attempt's `traceparent`. */
  readonly trace: string | undefined;
  /** Undefined: the job needs none. */
  readonly admission: Admission | undefined;
}

type Next =
  | { readonly kind: "settled" }
  | { readonly kind: "read" }
  | { readonly kind: "write"; readonly write: ClaimWrite; readonly fence?: number | undefined }
  | { readonly kind: "claimed"; readonly claimed: Claimed };

/** Undefined: the message is settled and nothing is to be run. Stops early when `signal` fires, by its reason. */
export async function claimJob(
  { delivery, bell, claimId, trace }: ClaimRequest,
  deps: ClaimDeps,
  signal: AbortSignal,
): Promise<Claimed | undefined> {
  const { jobId } = bell;
  const { queue, sequenceNumber } = delivery;
  const { workerId, bootId } = deps;
  const claim: Claim = { id: claimId, workerId, bootId, queue, sequenceNumber, since: deps.now() };
  const admission = deps.admission?.appliesTo(jobId) === true ? deps.admission : undefined;
  const delivered: Delivered = { delivery, bell, claim, trace, admission };

  for (let next = firstStep(delivered, deps.limits); ;) {
    let row: Stored<Job> | undefined;
    switch (next.kind) {
      case "settled":
        return undefined;
      case "claimed":
        return announced(next.claimed, deps);
      case "read":
        row = await deps.jobs.get(jobId);
        break;
      case "write": {
        const result = await deps.jobs.update(next.write.update);
        if (result.written) return landed(next.write, result.etag, next.fence, delivered, deps);
        row = result.current;
      }
    }
    signal.throwIfAborted();
    next = await nextStep(row, delivered, deps, signal);
  }
}

/** R13: the row says whether to reopen its batch. A bell that comes again may find the job ended and the batch complete. */
function firstStep({ bell, claim, trace, admission }: Delivered, limits: Limits | undefined): Next {
  const mustRead =
    !("start" in bell) ||
    bell.start.reopen === true ||
    admission !== undefined ||
    limits?.hold(bell.jobId, bell.start) === true;
  return mustRead ? { kind: "read" } : { kind: "write", write: writeForQueued(bell, claim, trace) };
}

/** What the protocol's table says about the row as it is. */
async function nextStep(
  row: Stored<Job> | undefined,
  { delivery, bell, claim, trace, admission }: Delivered,
  deps: ClaimDeps,
  signal: AbortSignal,
): Promise<Next> {
  const { queue, sequenceNumber } = delivery;
  const isOld = mayBeForgotten(bell.jobId, claim.since);
  const decision = decideDelivery(row?.value, { bell, queue, sequenceNumber, mayBeForgotten: isOld }, claim.id);
  if (startsNothing(decision)) {
    await settleByTable(delivery, row, decision, deps);
    return { kind: "settled" };
  }
  if (row === undefined) throw new InvariantError("A job without a row cannot start.");

  if (decision.action === "claim") {
    const admitted = await admission?.admit(row, { delivery, signal, log: deps.log });
    if (admitted?.kind === "settled") return { kind: "settled" };
    if (admitted?.kind === "moved") return { kind: "read" };
    if (deps.limits?.hold(bell.jobId, row.value) === true) {
      const hasRateTime = "rateTime" in bell && bell.rateTime !== undefined;
      const passed = await deps.limits.pass(row, { delivery, hasRateTime, signal, log: deps.log });
      if (passed === "settled") return { kind: "settled" };
    }
    await reopenBatchOf(row.value, deps);
    return { kind: "write", write: writeForQueued(bellOf(row.value, row.etag), claim, trace), fence: admitted?.fence };
  }

  const fence = await admission?.renewFence(row.value);
  if (decision.action === "adopt") {
    const { jobId, ring, cancelWanted } = row.value;
    const written = startWritten(row.value, claim);
    return { kind: "claimed", claimed: { jobId, ring, claim, etag: row.etag, cancelWanted, ...written, fence } };
  }
  if (decision.as !== "running") return { kind: "write", write: writeForLost(row, decision.as, claim.since) };
  await reopenBatchOf(row.value, deps);
  return { kind: "write", write: writeForTakeover(row, claim, trace), fence };
}

/** R13: a batch that was completed must not stay so while one of its jobs runs. */
async function reopenBatchOf({ reopen, batchId }: Job, { completion }: ClaimDeps): Promise<void> {
  if (reopen) await completion.reopenBatch(batchId);
}

/** The write has landed: the job is ours, or it has ended and its message is settled. */
async function landed(
  write: ClaimWrite,
  etag: string,
  fence: number | undefined,
  { delivery, bell, claim }: Delivered,
  deps: ClaimDeps,
): Promise<Claimed | undefined> {
  const { jobId } = write.update;
  const { measures } = deps.events;
  const isTaken = write.update.from === "running";
  if (write.kind === "start") {
    const { start, entry } = write;
    const claimed = { jobId, ring: bell.ring, claim, etag, cancelWanted: false, start, entry, fence };
    if (isTaken) measures.takenOver(measuredOf(claimed));
    return announced(claimed, deps);
  }
  const { failure, jobType, state } = write.ended;
  deps.events.completed(write.ended);
  const job = { jobId, jobType, ...jobQueueParts(claim.queue) };
  if (isTaken) measures.interrupted(job);
  measures.ended(job, state);
  await deps.limits?.left({ jobId, jobType, concurrencyKey: write.concurrencyKey });
  await deps.completion.afterJobEnded(jobIdParts(jobId).batchId);
  if (failure === undefined) await delivery.complete();
  else await delivery.deadLetter(...deadLetterReason(failure));
  return undefined;
}

function announced(claimed: Claimed, { events }: ClaimDeps): Claimed {
  events.started(eventJobOf(claimed), claimed.entry);
  return claimed;
}

/** The claimed job as metrics count it. */
export const measuredOf = ({ jobId, start, claim }: Pick<Claimed, "jobId" | "start" | "claim">): MeasuredJob => ({
  jobId,
  jobType: start.jobType,
  ...jobQueueParts(claim.queue),
});

/** The claimed job as its events name it. */
export const eventJobOf = ({ jobId, ring, start, entry }: Claimed): EventJob => ({
  jobId,
  jobName: start.jobName,
  jobType: start.jobType,
  ring,
  executions: entry.execution,
});
