/**
 * Which times in a timer's rows count. A process with a wrong clock may have written a time further ahead than ticks are
 * ever sent. Such a time counts as not written; otherwise the timer would stand still until that time. Pure.
 */
import { CLOCK_SKEW_MAX_MS, TICK_HORIZON_MAX_MS } from "../limits.ts";
import type { Timer, TimerRun } from "./timer.ts";

/** Writer and reader may each be wrong by CLOCK_SKEW_MAX_MS. */
const AHEAD_MAX_MS = TICK_HORIZON_MAX_MS + 2 * CLOCK_SKEW_MAX_MS;

const isPossible = (at: Date, now: Date): boolean => at.getTime() <= now.getTime() + AHEAD_MAX_MS;

/**
 * The timer with possible times only. An `activeFrom` far ahead becomes now. A `scheduledUpTo` far ahead becomes
 * `activeFrom`, so ticks are sent again; the broker and their rows recognize those that were sent before.
 */
export function believedTimer(timer: Timer, now: Date): Timer {
  const activeFrom = isPossible(timer.activeFrom, now) ? timer.activeFrom : now;
  const scheduledUpTo = isPossible(timer.scheduledUpTo, now) ? timer.scheduledUpTo : activeFrom;
  return { ...timer, activeFrom, scheduledUpTo };
}

/**
 * The record of a timer's ticks when the tick `at` has come. A record of the far future loses that tick and all later
 * ones.
 */
export function believedRun(run: TimerRun, at: Date, now: Date): TimerRun {
  const { coveredUpTo, lastScheduledAt } = run;
  if (coveredUpTo === undefined || isPossible(coveredUpTo, now)) return run;
  const isBefore = (tick: Date): boolean => tick < at;
  return {
    ...run,
    coveredUpTo: new Date(at.getTime() - 1),
    overtakenTicks: run.overtakenTicks.filter(isBefore),
    missedTicks: run.missedTicks.filter(isBefore),
    lastScheduledAt: lastScheduledAt !== undefined && isBefore(lastScheduledAt) ? lastScheduledAt : undefined,
  };
}
