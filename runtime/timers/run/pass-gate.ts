/**
 * The gate of a timer (R14 to R17, R20): every run that is queued passes it before it is claimed, whatever message brought
 * it. Decided by core/timer/gate.ts; this is the I/O around it. The run's row was read before the gate, and is claimed
 * on that version or not at all (R15).
 */
import { type TickRules, isPastDue, judgeTick, recordOf, recordTicks } from "../../core/timer/judgement.ts";
import { believedRun } from "../../core/timer/believed.ts";
import type { Failure, Job } from "../../core/job/job.ts";
import { MISSED_TICKS_KEPT } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { Overlap } from "../../core/package/manifest.ts";
import type { ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import { parseSchedule } from "../../core/schedule/schedule.ts";
import { newTimerRun, scheduleHashOf, tickJobId, type Timer, type TimerRun } from "../../core/timer/timer.ts";
import { decideGate, isOver, sameRun } from "../../core/timer/gate.ts";
import { parseTimerTrigger, type TimerTrigger } from "../../core/timer/trigger.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { createRowCache, type RowCache } from "./next-run.ts";

export interface GateDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly timers: Pick<TimerStore, "get" | "run" | "writeRun">;
  readonly completion: Pick<BatchCompletion, "afterJobEnded">;
  readonly events: JobEvents;
  readonly now: () => Date;
  readonly log: Logger;
}

export type GateResult =
  /** To be claimed now. `fence`: larger than that of every start before. */
  | { readonly kind: "passed"; readonly fence: number }
  /** The message is settled: the run waits, or has ended without a start. */
  | { readonly kind: "settled" }
  /** The run's row has moved: begin again there. */
  | { readonly kind: "moved" };

/** What a timer does when its declaration is gone and a run of it is still there. */
const OVERLAP_OF_NO_TIMER: Overlap = "skip";

/** Throws UnavailableError, or what `signal` fires with. */
export async function passGate(
  stored: Stored<Job>,
  delivery: Pick<ReceivedMessage, "complete">,
  deps: GateDeps,
  signal: AbortSignal,
): Promise<GateResult> {
  const { jobs, timers, log } = deps;
  const job = stored.value;
  const timer = (await timers.get(timerOf(job)))?.value;
  const tick = freshTickOf(job, timer);
  const late = tick !== undefined && isPastDue(tick.trigger.scheduledAt, tick.rules.graceMs, deps.now());
  const request = {
    jobId: job.jobId,
    overlap: timer?.overlap ?? OVERLAP_OF_NO_TIMER,
    waitingMax: waitingMaxOf(timer, late),
    // Of late ones that are to run one by one, the latest so many are.
    keeps: late && typeof timer?.misfire === "object" ? ("latest" as const) : ("earliest" as const),
  };
  for (;;) {
    signal.throwIfAborted();
    const current = await timers.run(job.batchId);
    const written = current?.value ?? newTimerRun(job.batchId);
    const run = tick === undefined ? written : believedRun(written, tick.trigger.scheduledAt, deps.now());
    const isKnown = run.currentJobId === job.jobId || run.waitingJobIds.includes(job.jobId);
    const record = tick === undefined || isKnown ? "none" : recordOf(run, tick.rules, tick.trigger.scheduledAt);
    if (record === "missed") return endUnstarted(stored, missedFailure, delivery, deps);
    // It was left out, counted as such, and its row could not be written. Of those that may overlap, it was let through
    // and died before its claim: the timer names only the latest.
    if (record === "judged" && request.overlap !== "allow") {
      return endUnstarted(stored, (...facts) => skippedFailure("Another run", ...facts), delivery, deps);
    }
    const next = tick === undefined || isKnown ? run : withTick(run, tick);
    /** Whether the row says it now, also when the answer was lost. */
    const write = async (changes: Partial<TimerRun>, from = next): Promise<boolean> => {
      const wanted = { ...from, ...changes };
      const result = await timers.writeRun(wanted, current?.etag);
      return result.written || sameRun(result.current?.value, wanted);
    };

    const rows = createRowCache(jobs);
    let decision = decideGate(run, request, rows.known);
    for (; decision.action === "look"; decision = decideGate(run, request, rows.known))
      await rows.read(decision.jobIds);
    switch (decision.action) {
      case "pass": {
        const missed = tick && missedAtStart(run, tick, isKnown, deps.now());
        if (missed !== undefined) {
          // Counted first, as one that is left out.
          const waitingJobIds = run.waitingJobIds.filter((id) => id !== job.jobId);
          if (!(await write({ waitingJobIds }, missed))) break;
          return endUnstarted(stored, tooLateFailure, delivery, deps);
        }
        const lastScheduledAt = latestOf(run.lastScheduledAt, scheduledAtOf(job));
        const fence = run.fence + 1;
        if (await write({ ...decision.turns, fence, lastScheduledAt })) return { kind: "passed", fence };
        break;
      }
      case "wait":
        if (!(await write({ ...decision.turns, ...droppedAsMissed(next, decision.dropped, rows) }))) break;
        await endDropped(decision.dropped, rows, deps);
        // R17: one that has ended since could not see who waits.
        if (decision.turns.currentJobId !== undefined && !(await hasEnded(decision.turns.currentJobId, jobs))) {
          log.info({ holder: decision.turns.currentJobId }, "the run waits for another one of its timer");
          await delivery.complete();
          return { kind: "settled" };
        }
        break;
      case "stay":
        await delivery.complete();
        return { kind: "settled" };
      case "leave-out": {
        const { holderJobId } = decision;
        // Counted first: a tick whose row says that it was left out must not be taken for one that never came.
        if (!(await write({ skippedCount: run.skippedCount + 1, lastSkippedAt: deps.now() }))) break;
        return endUnstarted(
          stored,
          (attempt, failedAt) => skippedFailure(`Run ${holderJobId}`, attempt, failedAt),
          delivery,
          deps,
        );
      }
    }
  }
}

/**
 * For a start without the gate: a takeover, or a claim of our own whose answer was lost. Whoever ran it before may go on
 * for a moment, and has a smaller fence. Throws UnavailableError.
 */
export async function renewFence({ jobId, batchId }: Job, { timers }: Pick<GateDeps, "timers">): Promise<number> {
  for (;;) {
    const current = await timers.run(batchId);
    const run = current?.value ?? { ...newTimerRun(batchId), currentJobId: jobId };
    const fence = run.fence + 1;
    if ((await timers.writeRun({ ...run, fence }, current?.etag)).written) return fence;
  }
}

const timerOf = ({ tenantName, jobProcessorPackageName, jobType }: Job) => ({
  tenantName,
  packageName: jobProcessorPackageName,
  timerName: jobType,
});

interface FreshTick {
  readonly jobId: string;
  readonly trigger: TimerTrigger;
  readonly rules: TickRules;
}

/** Of a run that was never started and is of the schedule as it is: only its tick may still have to be recorded. */
function freshTickOf(job: Job, timer: Timer | undefined): FreshTick | undefined {
  if (timer === undefined || job.ring > 1 || job.executions > 0) return undefined;
  const trigger = parseTimerTrigger(job.parameters);
  if (trigger?.trigger !== "schedule") return undefined;
  if (tickJobId(timer, trigger.scheduledAt, scheduleHashOf(timer)) !== job.jobId) return undefined;
  return { jobId: job.jobId, trigger, rules: { ...timer, schedule: parseSchedule(timer) } };
}

/** Late ones that are all to run do so one after the other, whatever the timer does with those in time. */
function waitingMaxOf(timer: Timer | undefined, late: boolean): number {
  if (timer === undefined) return 0;
  const ofQueue = timer.overlap === "queue" ? 1 : 0;
  return late && typeof timer.misfire === "object" ? Math.max(ofQueue, timer.misfire.all) : ofQueue;
}

function withTick(run: TimerRun, { trigger, rules }: FreshTick): TimerRun {
  const { scheduledAt, firstMissedAt: first, lastMissedAt: last } = trigger;
  const missed = first === undefined || last === undefined ? undefined : { first, last };
  const { missedCount, lastMissedAt, ...coverage } = recordTicks(run, rules, scheduledAt, missed);
  return {
    ...run,
    ...coverage,
    missedCount: run.missedCount + missedCount,
    lastMissedAt: lastMissedAt ?? run.lastMissedAt,
  };
}

function scheduledAtOf(job: Job): Date | undefined {
  const trigger = parseTimerTrigger(job.parameters);
  return trigger?.trigger === "schedule" ? trigger.scheduledAt : undefined;
}

/**
 * The timer's row with the tick counted as missed, when it would start too late now and is not to run then. One that has
 * waited is judged by "skip" only: of those that run one by one, the gate keeps the latest.
 */
function missedAtStart(run: TimerRun, tick: FreshTick, isKnown: boolean, now: Date): TimerRun | undefined {
  const { trigger, rules } = tick;
  const at = trigger.scheduledAt;
  if (isKnown) {
    if (rules.misfire !== "skip" || run.currentJobId === tick.jobId || !isPastDue(at, rules.graceMs, now))
      return undefined;
    return countMissed(run, [at]);
  }
  const judgement = judgeTick(run, rules, at, now);
  if (judgement.verdict !== "missed") return undefined;
  const { missedCount, lastMissedAt, ...coverage } = recordTicks(run, rules, undefined, judgement.missed);
  return {
    ...run,
    ...coverage,
    missedCount: run.missedCount + missedCount,
    lastMissedAt: latestOf(run.lastMissedAt, lastMissedAt),
  };
}

/** Ticks that were recorded as runs, and will not run. */
const countMissed = (run: TimerRun, ticks: readonly Date[]): TimerRun => ({
  ...run,
  missedCount: run.missedCount + ticks.length,
  lastMissedAt: latestOf(run.lastMissedAt, ticks.at(-1)),
  missedTicks: [...run.missedTicks, ...ticks].toSorted((a, b) => a.getTime() - b.getTime()).slice(-MISSED_TICKS_KEPT),
});

/** Written before their rows end, so that one of them that comes to the gate in between does not run. */
function droppedAsMissed(run: TimerRun, dropped: readonly string[], rows: RowCache): Partial<TimerRun> {
  const ticks = dropped.flatMap((id) => {
    const row = rows.row(id)?.value;
    return (row && scheduledAtOf(row)) ?? [];
  });
  const { missedCount, lastMissedAt, missedTicks } = countMissed(run, ticks);
  return { missedCount, lastMissedAt, missedTicks };
}

/** One whose row has moved is at the gate itself, or has ended. */
async function endDropped(dropped: readonly string[], rows: RowCache, deps: GateDeps): Promise<void> {
  for (const id of dropped) {
    const row = rows.row(id);
    if (row !== undefined) await cancelUnstarted(row, droppedFailure, deps);
  }
}

const latestOf = (a: Date | undefined, b: Date | undefined): Date | undefined =>
  a === undefined || (b !== undefined && b > a) ? b : a;

async function hasEnded(jobId: string, jobs: Pick<JobStore, "get">): Promise<boolean> {
  return isOver((await jobs.get(jobId))?.value.state ?? "absent");
}

type MakeFailure = (attempt: number, failedAt: Date) => Failure;

const skippedFailure = (holder: string, attempt: number, failedAt: Date): Failure => ({
  code: "TimerSkipped",
  message: `${holder} of this timer goes on, and they must not overlap.`,
  ...{ attempt, failedAt, retryable: false },
});

const tooLateFailure: MakeFailure = (attempt, failedAt) => ({
  code: "TimerMissed",
  message: "The run would have started too late, and the timer's misfire says not to run then.",
  ...{ attempt, failedAt, retryable: false },
});

const droppedFailure: MakeFailure = (attempt, failedAt) => ({
  code: "TimerMissed",
  message: "Runs for later ticks wait, and the timer's misfire says to run only the latest.",
  ...{ attempt, failedAt, retryable: false },
});

const missedFailure: MakeFailure = (attempt, failedAt) => ({
  code: "TimerMissed",
  message: "The tick had been recorded as missed before it could run; another run of this timer stands for it.",
  ...{ attempt, failedAt, retryable: false },
});

/** Ends a run that was never to start, and lets go of its message. */
async function endUnstarted(
  stored: Stored<Job>,
  failureOf: MakeFailure,
  delivery: Pick<ReceivedMessage, "complete">,
  deps: GateDeps,
): Promise<GateResult> {
  if (!(await cancelUnstarted(stored, failureOf, deps))) return { kind: "moved" };
  await deps.completion.afterJobEnded(stored.value.batchId);
  await delivery.complete();
  return { kind: "settled" };
}

/** False: the row has moved. */
async function cancelUnstarted(
  { value: job, etag }: Stored<Job>,
  failureOf: MakeFailure,
  { jobs, events, now, log }: GateDeps,
): Promise<boolean> {
  const endedAt = now();
  const failure = failureOf(job.attempts + 1, endedAt);
  const changes = { endedAt, failure, runAt: undefined, reopen: false };
  const result = await jobs.update({ jobId: job.jobId, etag, from: "queued", to: "canceled", changes });
  if (!result.written) return false;
  log.info({ jobId: job.jobId, code: failure.code, reason: failure.message }, "the run is left out");
  events.completedRow({ ...job, ...changes, state: "canceled" });
  return true;
}
