/**
 * The gate of a timer (R14 to R17, R20). Every queued run comes here before it is claimed, whatever message brought it.
 * core/timer/gate.ts decides; this file reads and writes. The run's row was read before the gate, and is claimed on that
 * version or not at all (R15). Each write depends on the timer's row as it was read; a refused one means to try again.
 *
 * | decision  | written on the timer's row          | then the run                                          |
 * |-----------|-------------------------------------|-------------------------------------------------------|
 * | pass      | it holds the timer, the next fence  | is claimed; or ends unstarted, if it is too late now  |
 * | wait      | it is one of those that wait        | waits without a message, unless the holder has ended  |
 * | stay      | nothing                             | waits already                                         |
 * | leave out | one more was left out               | ends unstarted                                        |
 */
import { isPastDue, recordOf } from "../../core/timer/judgement.ts";
import { believedRun } from "../../core/timer/believed.ts";
import type { Job } from "../../core/job/job.ts";
import type { Logger } from "../../core/logger.ts";
import type { Overlap } from "../../core/package/manifest.ts";
import type { Admitted } from "../../core/ports/admission.ts";
import type { ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import { newTimerRun, type Timer, type TimerRun } from "../../core/timer/timer.ts";
import { decideGate, type GateDecision, type GateRequest, isOver, sameRun } from "../../core/timer/gate.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { MeasuredTimer } from "../../lifecycle/job-measures.ts";
import {
  cancelUnstarted,
  type MakeFailure,
  overtakenFailure,
  recordedFailure,
  skippedFailure,
  tooLateFailure,
} from "./cancel-unstarted.ts";
import { createRowCache, type RowCache } from "./next-run.ts";
import {
  type FreshTick,
  freshTickOf,
  latestOf,
  scheduledAtOf,
  withMissed,
  withTick,
  withTickTooLate,
} from "./tick-record.ts";
import type { Clock } from "../../core/clock.ts";

export interface GateDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly timers: Pick<TimerStore, "get" | "run" | "writeRun">;
  readonly completion: Pick<BatchCompletion, "afterJobEnded">;
  readonly events: JobEvents;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** What a timer does when its declaration is gone and a run of it is still there. */
const OVERLAP_OF_NO_TIMER: Overlap = "skip";

const timerOf = ({ tenantName, jobType: timerName }: Job): MeasuredTimer => ({ tenantName, timerName });

/** Throws UnavailableError, or what `signal` fires with. */
export async function passGate(
  stored: Stored<Job>,
  delivery: Pick<ReceivedMessage, "complete">,
  deps: GateDeps,
  signal: AbortSignal,
): Promise<Admitted> {
  const candidate = await candidateOf(stored, delivery, deps);
  for (;;) {
    signal.throwIfAborted();
    const result = await tryGate(candidate, deps);
    if (result !== "again") return result;
  }
}

/** A run at the gate: what does not change while it tries. */
interface Candidate {
  readonly stored: Stored<Job>;
  readonly delivery: Pick<ReceivedMessage, "complete">;
  /** Undefined: it was recorded before, or it is of no tick. */
  readonly tick: FreshTick | undefined;
  readonly request: GateRequest;
}

async function candidateOf(
  stored: Stored<Job>,
  delivery: Pick<ReceivedMessage, "complete">,
  { timers, now }: GateDeps,
): Promise<Candidate> {
  const job = stored.value;
  const { tenantName, jobProcessorPackageName: packageName, jobType: timerName } = job;
  const timer = (await timers.get({ tenantName, packageName, timerName }))?.value;
  const tick = freshTickOf(job, timer);
  const late = tick !== undefined && isPastDue(tick.trigger.scheduledAt, tick.rules.graceMs, now());
  const request: GateRequest = {
    jobId: job.jobId,
    overlap: timer?.overlap ?? OVERLAP_OF_NO_TIMER,
    waitingMax: waitingMaxOf(timer, late),
    // Late runs that all have to run do so one by one. When there are too many, the latest are kept.
    keeps: late && typeof timer?.misfire === "object" ? "latest" : "earliest",
  };
  return { stored, delivery, tick, request };
}

/** Late runs that all have to run wait for one another, also where the timer's runs do not wait otherwise. */
function waitingMaxOf(timer: Timer | undefined, late: boolean): number {
  if (timer === undefined) return 0;
  const ofQueue = timer.overlap === "queue" ? 1 : 0;
  return late && typeof timer.misfire === "object" ? Math.max(ofQueue, timer.misfire.all) : ofQueue;
}

/** One look at the timer's row, and what follows from it. */
interface GateTry extends Candidate {
  readonly run: TimerRun;
  /** The same with the candidate's tick recorded. */
  readonly recorded: TimerRun;
  /** The timer's row names the candidate already. */
  readonly isKnown: boolean;
  /** Whether the timer's row now says `wanted`, also when the answer was lost. */
  readonly write: (wanted: TimerRun) => Promise<boolean>;
  readonly rows: RowCache;
}

/** "again": another process has written the timer's row. */
type Tried = Admitted | "again";

async function tryGate(candidate: Candidate, deps: GateDeps): Promise<Tried> {
  const { stored, tick, request } = candidate;
  const { jobId, batchId } = stored.value;
  const current = await deps.timers.run(batchId);
  const read = current?.value ?? newTimerRun(batchId);
  const run = tick === undefined ? read : believedRun(read, tick.trigger.scheduledAt, deps.now());

  const isKnown = run.currentJobId === jobId || run.waitingJobIds.includes(jobId);
  const record = tick === undefined || isKnown ? "none" : recordOf(run, tick.rules, tick.trigger.scheduledAt);
  if (record === "missed") return endUnstarted(recordedFailure, candidate, deps);
  // It was left out and counted, and its row was not written. With overlap "allow" it may instead have passed and lost its
  // worker before the claim: the timer's row names only the latest run.
  if (record === "judged" && request.overlap !== "allow") {
    return endUnstarted(skippedFailure("Another run"), candidate, deps);
  }

  const rows = createRowCache(deps.jobs);
  const decision = await decided(run, request, rows);
  const recorded = tick === undefined || isKnown ? run : withTick(run, tick);
  const write = async (wanted: TimerRun): Promise<boolean> => {
    const result = await deps.timers.writeRun(wanted, current?.etag);
    const isWritten = result.written || sameRun(result.current?.value, wanted);
    if (isWritten) {
      deps.events.measures.ticks(timerOf(stored.value), "missed", wanted.missedCount - read.missedCount);
      deps.events.measures.ticks(timerOf(stored.value), "skipped", wanted.skippedCount - read.skippedCount);
    }
    return isWritten;
  };
  const gateTry: GateTry = { ...candidate, run, recorded, isKnown, write, rows };
  switch (decision.action) {
    case "pass":
      return pass(decision, gateTry, deps);
    case "wait":
      return wait(decision, gateTry, deps);
    case "stay":
      return settled(candidate);
    case "leave-out":
      return leaveOut(decision, gateTry, deps);
  }
}

type Decided = Exclude<GateDecision, { readonly action: "look" }>;
type DecidedAs<Action extends Decided["action"]> = Extract<Decided, { readonly action: Action }>;

/** Reads the rows that the decision needs, and no others. */
async function decided(run: TimerRun, request: GateRequest, rows: RowCache): Promise<Decided> {
  for (;;) {
    const decision = decideGate(run, request, rows.known);
    if (decision.action !== "look") return decision;
    await rows.read(decision.jobIds);
  }
}

async function pass({ turns }: DecidedAs<"pass">, gateTry: GateTry, deps: GateDeps): Promise<Tried> {
  const { stored, run, recorded, tick, isKnown, write } = gateTry;
  const { jobId } = stored.value;
  const tooLate = tick && withTickTooLate(run, tick, isKnown, deps.now());
  if (tooLate !== undefined) {
    // Counted before its row ends, as with a run that is left out.
    const waitingJobIds = run.waitingJobIds.filter((id) => id !== jobId);
    return (await write({ ...tooLate, waitingJobIds })) ? endUnstarted(tooLateFailure, gateTry, deps) : "again";
  }
  const lastScheduledAt = latestOf(run.lastScheduledAt, scheduledAtOf(stored.value));
  const fence = run.fence + 1;
  if (!(await write({ ...recorded, ...turns, fence, lastScheduledAt }))) return "again";
  // It may have passed before, and lost its worker before the claim.
  if (tick !== undefined && run.currentJobId !== jobId) {
    const isLate = isPastDue(tick.trigger.scheduledAt, tick.rules.graceMs, deps.now());
    deps.events.measures.ticks(timerOf(stored.value), isLate ? "late" : "started");
  }
  return { kind: "passed", fence };
}

async function wait({ turns, dropped }: DecidedAs<"wait">, gateTry: GateTry, deps: GateDeps): Promise<Tried> {
  const { recorded, write, rows } = gateTry;
  const droppedRows = dropped.flatMap((jobId) => rows.row(jobId) ?? []);
  const droppedTicks = droppedRows.flatMap(({ value }) => scheduledAtOf(value) ?? []);
  // Written before their rows end, so that one of them that comes to the gate in between does not run.
  if (!(await write({ ...withMissed(recorded, droppedTicks), ...turns }))) return "again";
  // One whose row has moved is at the gate itself, or has ended.
  for (const row of droppedRows) await cancelUnstarted(row, overtakenFailure, deps);

  // R17: a holder that has ended since could not see that this run waits.
  const holderJobId = turns.currentJobId;
  if (holderJobId === undefined || isOver((await deps.jobs.get(holderJobId))?.value.state ?? "absent")) return "again";
  deps.log.info({ holder: holderJobId }, "the run waits for another run of its timer");
  return settled(gateTry);
}

async function leaveOut({ holderJobId }: DecidedAs<"leave-out">, gateTry: GateTry, deps: GateDeps): Promise<Tried> {
  const { run, recorded, write } = gateTry;
  // Counted before its row ends: otherwise a tick whose row says "left out" could be taken for one that never came.
  const counted = { ...recorded, skippedCount: run.skippedCount + 1, lastSkippedAt: deps.now() };
  return (await write(counted)) ? endUnstarted(skippedFailure(`Run ${holderJobId}`), gateTry, deps) : "again";
}

async function settled({ delivery }: Candidate): Promise<Admitted> {
  await delivery.complete();
  return { kind: "settled" };
}

/** Ends a run that was never started, and its message. */
async function endUnstarted(failureOf: MakeFailure, candidate: Candidate, deps: GateDeps): Promise<Admitted> {
  const { stored } = candidate;
  if (!(await cancelUnstarted(stored, failureOf, deps))) return { kind: "moved" };
  await deps.completion.afterJobEnded(stored.value.batchId);
  return settled(candidate);
}

/**
 * For a start without the gate: a takeover, or an own claim whose answer was lost. The earlier start may go on for a
 * moment, and has a smaller fence. Throws UnavailableError.
 */
export async function renewFence({ jobId, batchId }: Job, { timers }: Pick<GateDeps, "timers">): Promise<number> {
  for (;;) {
    const current = await timers.run(batchId);
    const run = current?.value ?? { ...newTimerRun(batchId), currentJobId: jobId };
    const fence = run.fence + 1;
    if ((await timers.writeRun({ ...run, fence }, current?.etag)).written) return fence;
  }
}
