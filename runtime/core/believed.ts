/**
 * What is believed of the times in a timer's rows. A process with a wrong clock may have written times that nobody with a
 * right one could: further ahead than ticks are ever sent. Such a time counts as not written. Otherwise the timer would
 * stand still until that time comes. Pure.
 */
import { CLOCK_SKEW_MAX_MS, TICK_HORIZON_MAX_MS } from "./limits.ts";
import type { Timer, TimerRun } from "./timer.ts";

/** Writer and reader may each differ from the right time by as much as is let pass. */
const AHEAD_MAX_MS = TICK_HORIZON_MAX_MS + 2 * CLOCK_SKEW_MAX_MS;

const isPossible = (at: Date, now: Date): boolean => at.getTime() <= now.getTime() + AHEAD_MAX_MS;

/**
 * The timer with times that are possible. It ticks from now on if it says that it ticks from a time far ahead; and nothing
 * has been sent since if ticks far ahead seem to be sent. Ticks that were sent are recognized by the broker and by their rows.
 */
export function believedTimer(timer: Timer, now: Date): Timer {
  const activeFrom = isPossible(timer.activeFrom, now) ? timer.activeFrom : now;
  const scheduledUpTo = isPossible(timer.scheduledUpTo, now) ? timer.scheduledUpTo : activeFrom;
  return { ...timer, activeFrom, scheduledUpTo };
}

/**
 * What is known of a timer's ticks when the one at `at` has come. Of a row that speaks of the far future, nothing of that
 * tick and those after it.
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
