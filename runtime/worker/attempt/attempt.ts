/**
 * One received message from arrival to settlement: claim, run, settle, under a lock that is renewed all the while. It
 * never throws. After an error the lock of the message ends, and its next receiver decides by the protocol's table.
 */
import { LockLostError, UnavailableError, UnreadableError, messageOf } from "../../core/errors.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import type { Bell } from "../../core/job/bell.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import { subjectOf, subjectOfTick } from "../../core/job/message.ts";
import { decideDelivery } from "../../core/job/protocol.ts";
import { lockMarginMs } from "../../core/limits.ts";
import { type Logger, jobLogFields } from "../../core/logger.ts";
import type { TickHandler } from "../../core/ports/admission.ts";
import type { ReceivedMessage, JobQueue } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { RunningCompletion } from "../../lifecycle/batch-completion.ts";
import type { HeldClaims } from "../claim-journal.ts";
import { type ClaimDeps, type ClaimRequest, type Claimed, claimJob, measuredOf } from "./claim.ts";
import { type ExecutionDeps, execute } from "./execution.ts";
import { type LockDeps, type MessageLock, keepLock } from "./lock.ts";
import { ownRow } from "./owned-row.ts";
import { type PutOffDeps, putOffIfPaused } from "./put-off.ts";
import { retryWhileLocked } from "./retry-while-locked.ts";
import { settleByTable, startsNothing } from "./settle-by-table.ts";
import { type SettlementDeps, settle } from "./settlement.ts";
import { type Span, type SpanOptions, failSpan, inSpan, linkSpan, traceparentOf } from "../../telemetry/trace.ts";
import type { Clock } from "../../core/clock.ts";

export interface AttemptDeps
  extends Omit<ClaimDeps, "jobs" | "now">, ExecutionDeps, Omit<SettlementDeps, "now">, Omit<LockDeps, "now"> {
  readonly jobs: Pick<JobStore, "update" | "get">;
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: RunningCompletion;
  /** Default: no timers run here, and a tick is set aside. */
  readonly onTick?: TickHandler | undefined;
  /** Default: nothing is paused. */
  readonly pauses?: PutOffDeps["pauses"] | undefined;
  readonly waiting?: PutOffDeps["waiting"] | undefined;
  readonly held: HeldClaims;
  readonly permit: Pick<WorkPermit, "acquire">;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly newId: () => string;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** `drain` fires when this worker shuts down and cannot wait any longer. */
export async function runAttempt(delivery: ReceivedMessage, deps: AttemptDeps, drain: AbortSignal): Promise<void> {
  const claimId = deps.newId();
  const log = deps.log.child({
    messageId: delivery.messageId,
    queue: delivery.queue,
    ...jobFieldsOf(delivery),
    claimId,
  });
  const lock = keepLock(delivery, deps);
  try {
    await inSpan(`process ${delivery.queue}`, spanOf(delivery), (span) =>
      attempt({ delivery, claimId }, deps, drain, lock, log, span),
    );
  } catch (error) {
    if (error instanceof LockLostError || lock.signal.aborted) {
      log.warn({ error: messageOf(error) }, "lock lost; the job is left to its next receiver");
    } else if (error instanceof UnreadableError) {
      deps.unreadable.note(`${delivery.queue} ${delivery.messageId}`, error);
    } else if (error instanceof UnavailableError) {
      log.warn({ error: error.message }, "a service is unavailable; leaving the message to its lock");
    } else {
      log.error({ err: error }, "attempt broke off; leaving the message to its lock");
    }
  } finally {
    lock.stop();
  }
}

/** Every attempt has the submit's span as parent. A job without one, such as a timer's run, starts a trace. */
function spanOf({ parsed, queue, messageId, deliveryCount, enqueuedAt }: ReceivedMessage): SpanOptions {
  return {
    kind: "CONSUMER",
    parent: parsed.kind === "bell" ? (parsed.bell.start.trace ?? null) : null,
    attributes: {
      "messaging.system": "servicebus",
      "messaging.operation.type": "process",
      "messaging.operation.name": "process",
      "messaging.destination.name": queue,
      "messaging.message.id": messageId,
      "messaging.servicebus.message.delivery_count": deliveryCount,
      "messaging.servicebus.message.enqueued_time": Math.floor(enqueuedAt / 1_000),
    },
  };
}

/** What the lines of an attempt have in common. Empty for a message that is about no job. */
function jobFieldsOf({ parsed }: ReceivedMessage): Readonly<Record<string, string>> {
  const subject = subjectOf(parsed);
  const requestId = parsed.kind === "bell" ? parsed.bell.start.requestId : undefined;
  return subject === undefined ? {} : { ...jobLogFields(subject.jobId), ...(requestId !== undefined && { requestId }) };
}

async function attempt(
  { delivery, claimId }: Pick<ClaimRequest, "delivery" | "claimId">,
  deps: AttemptDeps,
  drain: AbortSignal,
  lock: MessageLock,
  log: Logger,
  span: Span,
): Promise<void> {
  const { parsed } = delivery;
  // Left to its lock, which is the delay before another worker receives it. That one may be able to read it.
  if (parsed.kind === "unreadable") throw new UnreadableError(parsed.format, parsed.reason);
  const setAside = (reason: string): Promise<void> => {
    log.warn({ reason }, "message set aside");
    const deadLetter = (): Promise<void> => delivery.deadLetter("MalformedMessage", reason);
    return retryWhileLocked("setting aside", deadLetter, { until: lock.signal, log });
  };
  if (parsed.kind === "malformed") return setAside(parsed.reason);
  if (parsed.kind === "tick" && deps.onTick === undefined) return setAside("This worker runs no timers.");
  const bell = parsed.kind === "bell" ? parsed.bell : subjectOfTick(parsed.tick);
  const { jobs, pauses, waiting } = deps;
  if (pauses !== undefined && waiting !== undefined) {
    const putOff = (): Promise<boolean> => putOffIfPaused(delivery, { jobs, pauses, waiting }, log);
    if (await retryWhileLocked("putting off", putOff, { until: lock.signal, log })) return;
  }
  using permitted = await deps.permit.acquire(AbortSignal.any([lock.signal, drain]));
  if (permitted === undefined) {
    lock.signal.throwIfAborted();
    log.warn({}, "this machine may not start work; the message goes back");
    await retryWhileLocked("returning the message", () => delivery.abandon(), { until: lock.signal, log });
    return;
  }
  // Before the claim is written: a claim that its worker did not announce would count as dead (A4).
  const { queue, sequenceNumber } = delivery;
  const fault = deps.held.begin({ claimId, jobId: bell.jobId, queue, sequenceNumber });
  if (parsed.kind === "bell") lookAhead(parsed.bell, deps);
  try {
    const request = { delivery, bell, claimId, fault, trace: traceparentOf(span) };
    await claimAndRun(request, deps, drain, lock, log, span);
  } finally {
    deps.held.end(claimId);
  }
}

/**
 * Asks for the package while the claim is written. The attempt uses the answer, or asks again and reports what is
 * wrong.
 */
function lookAhead({ jobId, start }: Bell, { packages }: AttemptDeps): void {
  const { tenantName } = jobIdParts(jobId);
  packages.acquire(tenantName, start.jobProcessorPackageName).then(
    (lease) => lease.release(),
    () => undefined,
  );
}

/** `fault`: why this machine cannot run what it claims, if it cannot. */
async function claimAndRun(
  request: ClaimRequest & { readonly fault: Error | undefined },
  deps: AttemptDeps,
  drain: AbortSignal,
  lock: MessageLock,
  log: Logger,
  span: Span,
): Promise<void> {
  const { delivery } = request;
  const { parsed } = delivery;
  const patience = { until: lock.signal, log };
  const claimDeps = { ...deps, log };
  const claim = async (): Promise<Claimed | undefined> => {
    // Before anything else of a tick: the row comes first, then the timer, then the claim (R14).
    if (parsed.kind === "tick" && (await deps.onTick?.(parsed.tick, { delivery, log })) !== true) return undefined;
    return claimJob(request, claimDeps, lock.signal);
  };
  const claimWhileLocked = () => inSpan("claim", {}, () => retryWhileLocked("claiming", claim, patience));
  const { admission } = deps;
  const claimed = await (admission?.inTurn(request.bell.jobId, claimWhileLocked) ?? claimWhileLocked());
  if (claimed === undefined) return;
  const {
    jobId,
    claim: { id: claimId },
    etag,
    cancelWanted,
    start,
    entry,
  } = claimed;
  describeStart(span, claimed);
  await using running = deps.completion.jobStarted(jobIdParts(jobId).batchId);
  using measured = deps.events.measures.attempt(measuredOf(claimed));
  measureWait(delivery, claimed, deps);
  log.info({ jobType: start.jobType, attempt: entry.attempt, execution: entry.execution }, "attempt started");
  // R3: the claim may have taken longer than the lock; then another worker may be taking the job over already.
  await lock.ensure(lockMarginMs(deps.lockMs));

  const row = ownRow(deps.jobs, { jobId, claimId, etag, cancelWanted, facts: start });
  deps.held.onCancel(claimId, () => row.wantCancel());
  const lost = AbortSignal.any([lock.signal, row.claimGone]);
  const execution = await execute({ claimed, row, lost, drain, log, fault: request.fault }, deps);
  lock.signal.throwIfAborted();
  if (execution.kind === "lost") {
    await settleLost(delivery, claimed, deps, log);
    return;
  }
  if ("code" in execution) failSpan(span, execution.code);
  span.setAttribute("jobyard.outcome", execution.kind);
  await inSpan("settle", {}, () =>
    settle(execution, { delivery, claimed, row, running, measured, lost: lock.signal, log }, deps),
  );
}

function describeStart(span: Span, { jobId, start, entry, claim }: Claimed): void {
  const { tenantName, batchId } = jobIdParts(jobId);
  span.setAttributes({
    "jobyard.job.id": jobId,
    "jobyard.batch.id": batchId,
    "jobyard.tenant": tenantName,
    "jobyard.job.type": start.jobType,
    "jobyard.attempt": entry.attempt,
    "jobyard.execution": entry.execution,
    "jobyard.claim.id": claim.id,
  });
  linkSpan(span, start.previousTrace);
}

/** A message that comes again waited for its lock, not for a worker. */
function measureWait(delivery: ReceivedMessage, claimed: Claimed, { events, lockMs, now }: AttemptDeps): void {
  if (delivery.deliveryCount > 1) return;
  // Both instants are the broker's; what follows is by this machine's clock.
  const receivedAt = delivery.lockedUntil - lockMs;
  const inQueue = Math.max(0, receivedAt - delivery.enqueuedAt);
  events.measures.waited(measuredOf(claimed), inQueue + Math.max(0, now().getTime() - claimed.claim.since.getTime()));
}

/** The claim is gone while the lock holds: the child is dead, the table says what becomes of the message. */
async function settleLost(delivery: ReceivedMessage, claimed: Claimed, deps: AttemptDeps, log: Logger): Promise<void> {
  const current = await deps.jobs.get(claimed.jobId);
  const delivered = { bell: { ring: claimed.ring }, queue: delivery.queue, sequenceNumber: delivery.sequenceNumber };
  const decision = decideDelivery(current?.value, delivered, claimed.claim.id);
  log.warn({ decision: decision.action }, "the claim is gone");
  if (startsNothing(decision)) await settleByTable(delivery, current, decision, deps);
}

/** What must hold on this machine before a received message may start a job. */
export interface WorkPermit {
  /** Whether to receive messages. */
  readonly open: boolean;
  /** Calls back whenever `open` may have changed. */
  onChange(listener: () => void): void;
  /**
   * Resolves as soon as work may start; what it resolves to is disposed of when that work is over. Undefined: not in the
   * time a message may wait for it, or `until` has fired; the message is to go back.
   */
  acquire(until: AbortSignal): Promise<Disposable | undefined>;
}

const NOTHING: Disposable = { [Symbol.dispose]: () => undefined };

/** For machines that need no permit. */
export const ALWAYS_PERMITTED: WorkPermit = {
  open: true,
  onChange: () => undefined,
  acquire: () => Promise.resolve(NOTHING),
};
