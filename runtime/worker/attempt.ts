/**
 * One received message from arrival to settlement: claim, run, settle, under a lock that is kept all the while. It
 * never throws: whatever goes wrong leaves the message to its lock, and the row to the protocol's table.
 */
import { LockLostError, UnavailableError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Delivery, JobQueue, JobStore } from "../core/ports.ts";
import { meet } from "../core/protocol.ts";
import { claimJob, settleByTable, startsNothing, type ClaimDeps, type Claimed } from "./claim.ts";
import { execute, type ExecutionDeps } from "./execution.ts";
import { keepLock, lockMarginMs, type LockDeps } from "./lock.ts";
import { ownRow } from "./owned-row.ts";
import { insist } from "./patience.ts";
import { settle, type SettlementDeps } from "./settlement.ts";

export interface AttemptDeps
  extends Omit<ClaimDeps, "jobs" | "now">, ExecutionDeps, Omit<SettlementDeps, "now">, Omit<LockDeps, "now"> {
  readonly jobs: Pick<JobStore, "update" | "get">;
  readonly queue: Pick<JobQueue, "send">;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
}

/** `drain` fires when this worker shuts down and cannot wait any longer. */
export async function runAttempt(delivery: Delivery, deps: AttemptDeps, drain: AbortSignal): Promise<void> {
  const log = deps.log.child({ messageId: delivery.messageId, queue: delivery.queue });
  const lock = keepLock(delivery, deps);
  try {
    await attempt(delivery, deps, drain, lock, log);
  } catch (error) {
    if (error instanceof LockLostError || lock.signal.aborted) {
      log.warn({ error: messageOf(error) }, "lock lost; the job is left to its next receiver");
    } else if (error instanceof UnavailableError) {
      log.warn({ error: error.message }, "a service is away; leaving the message to its lock");
    } else {
      log.error({ err: error }, "attempt broke off; leaving the message to its lock");
    }
  } finally {
    lock.stop();
  }
}

async function attempt(
  delivery: Delivery,
  deps: AttemptDeps,
  drain: AbortSignal,
  lock: ReturnType<typeof keepLock>,
  log: Logger,
): Promise<void> {
  const { parsed } = delivery;
  const patience = { until: lock.signal, log };
  if (!parsed.ok) {
    log.warn({ reason: parsed.reason }, "message set aside");
    await insist("setting aside", () => delivery.deadLetter("MalformedMessage", parsed.reason), patience);
    return;
  }
  const { bell } = parsed;
  const now = (): Date => new Date(deps.now());
  const claimDeps = { ...deps, now, newId: once(deps.newId) };
  const claimed = await insist("claiming", () => claimJob(delivery, bell, claimDeps, lock.signal), patience);
  if (claimed === undefined) return;

  const jobLog = log.child({ jobId: claimed.jobId, claimId: claimed.claim.id, attempt: claimed.entry.attempt });
  jobLog.info({ jobType: claimed.start.jobType, execution: claimed.entry.execution }, "attempt started");
  // R3: the claim may have taken longer than the lock; then somebody else may be taking the job over already.
  await lock.ensure(lockMarginMs(deps.lockMs));

  const row = ownRow(deps.jobs, {
    jobId: claimed.jobId,
    claimId: claimed.claim.id,
    etag: claimed.etag,
    cancelWanted: claimed.cancelWanted,
  });
  const lost = AbortSignal.any([lock.signal, row.claimGone]);
  const execution = await execute({ claimed, row, lost, drain, log: jobLog }, deps);
  lock.signal.throwIfAborted();
  if (execution.kind === "lost") {
    await letGo(delivery, claimed, deps, jobLog);
    return;
  }
  await settle(execution, { delivery, claimed, row, lost: lock.signal, log: jobLog }, { ...deps, now });
}

/** The claim is gone while the lock holds: the child is dead, the table says what becomes of the message. */
async function letGo(delivery: Delivery, claimed: Claimed, deps: AttemptDeps, log: Logger): Promise<void> {
  const current = await deps.jobs.get(claimed.jobId);
  const delivered = { bell: { ring: claimed.ring }, queue: delivery.queue, sequenceNumber: delivery.sequenceNumber };
  const meeting = meet(current?.value, delivered, claimed.claim.id);
  log.warn({ meeting: meeting.action }, "the claim is gone");
  if (startsNothing(meeting)) await settleByTable(delivery, current, meeting, deps);
}

/** A claim that is tried again after an outage keeps its id: its first write may have landed. */
function once(newId: () => string): () => string {
  let id: string | undefined;
  return () => (id ??= newId());
}
