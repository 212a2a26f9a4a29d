/** What the timer's row says of the tick of a run at the gate, and of ticks that will not run. Without I/O. */
import type { Job } from "../../core/job/job.ts";
import { MISSED_TICKS_KEPT } from "../../core/limits.ts";
import { parseSchedule } from "../../core/schedule/schedule.ts";
import { isPastDue, judgeTick, recordTicks, type TickRules } from "../../core/timer/judgement.ts";
import { scheduleHashOf, tickJobId, type Timer, type TimerRun } from "../../core/timer/timer.ts";
import { parseTimerTrigger, type TimerTrigger } from "../../core/timer/trigger.ts";

export interface FreshTick {
  readonly jobId: string;
  readonly trigger: TimerTrigger;
  readonly rules: TickRules;
}

/** Of a run that was never started and is of the schedule as it is: only its tick may still have to be recorded. */
export function freshTickOf(job: Job, timer: Timer | undefined): FreshTick | undefined {
  if (timer === undefined || job.ring > 1 || job.executions > 0) return undefined;
  const trigger = parseTimerTrigger(job.parameters);
  if (trigger?.trigger !== "schedule") return undefined;
  if (tickJobId(timer, trigger.scheduledAt, scheduleHashOf(timer)) !== job.jobId) return undefined;
  return { jobId: job.jobId, trigger, rules: { ...timer, schedule: parseSchedule(timer) } };
}

/** When the run was due; undefined: it is of no tick. */
export function scheduledAtOf(job: Job): Date | undefined {
  const trigger = parseTimerTrigger(job.parameters);
  return trigger?.trigger === "schedule" ? trigger.scheduledAt : undefined;
}

/** The tick is recorded as a run, and the ticks that it stands for as missed. */
export function withTick(run: TimerRun, { trigger, rules }: FreshTick): TimerRun {
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

/**
 * The tick is counted as missed. Undefined: its run may start now. A run that has waited is judged by misfire "skip" only:
 * of those that run one by one, the gate keeps the latest.
 */
export function withTickTooLate(run: TimerRun, tick: FreshTick, isKnown: boolean, now: Date): TimerRun | undefined {
  const { trigger, rules } = tick;
  const at = trigger.scheduledAt;
  if (isKnown) {
    const mayStart = rules.misfire !== "skip" || run.currentJobId === tick.jobId || !isPastDue(at, rules.graceMs, now);
    return mayStart ? undefined : withMissed(run, [at]);
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

/** Ticks that were recorded as runs are counted as missed: they will not run. */
export const withMissed = (run: TimerRun, ticks: readonly Date[]): TimerRun => ({
  ...run,
  missedCount: run.missedCount + ticks.length,
  lastMissedAt: latestOf(run.lastMissedAt, ticks.at(-1)),
  missedTicks: [...run.missedTicks, ...ticks].toSorted((a, b) => a.getTime() - b.getTime()).slice(-MISSED_TICKS_KEPT),
});

export const latestOf = (a: Date | undefined, b: Date | undefined): Date | undefined =>
  a === undefined || (b !== undefined && b > a) ? b : a;
