/**
 * Which ticks of a timer are to be sent now. Pure: a tick has the same name and time whenever and wherever it is planned.
 *
 * | a tick not sent yet   | is sent                                                                            |
 * |-----------------------|------------------------------------------------------------------------------------|
 * | ahead, to the horizon | now, to be let go by the broker when it is due, also while no scheduler runs       |
 * | past, but not by much | now: its receiver judges whether it is late                                        |
 * | past by more          | now, if it is among the latest that the misfire of its timer speaks of, else never |
 *
 * A wrong clock cannot move a tick, and one that is fast by CLOCK_SKEW_MAX_MS leaves none out. What a row says that cannot
 * be true by this clock is not believed.
 */
import { believedTimer } from "../../core/timer/believed.ts";
import { CLOCK_SKEW_MAX_MS, TICK_HORIZON_MS, TICKS_PER_ROUND_MAX } from "../../core/limits.ts";
import type { Misfire } from "../../core/package/manifest.ts";
import type { Schedule } from "../../core/schedule/cron-schedule.ts";
import { parseSchedule, ticksBetween } from "../../core/schedule/schedule.ts";
import { outgoingTick, type OutgoingTick } from "../../core/timer/tick.ts";
import { scheduleHashOf, type Timer } from "../../core/timer/timer.ts";

export interface TickPlan {
  /** At least one, in the order of their times. */
  readonly ticks: readonly OutgoingTick[];
  /** What the timer's row is to say when they are sent: the time of the last. */
  readonly scheduledUpTo: Date;
  /** As the row has it, or now when that cannot be. */
  readonly activeFrom: Date;
}

/** Undefined: there is nothing to send. Throws ScheduleError for a schedule that cannot be read. */
export function planTicks(timer: Timer, now: Date, horizonMs = TICK_HORIZON_MS): TickPlan | undefined {
  if (timer.pausedAt !== undefined) return undefined;
  const schedule = parseSchedule(timer);
  const { scheduledUpTo: sentUpTo, activeFrom } = believedTimer(timer, now);
  const from = later(sentUpTo, activeFrom);
  const notByMuch = new Date(now.getTime() - Math.max(timer.graceMs, horizonMs, CLOCK_SKEW_MAX_MS));
  const late = latestBetween(schedule, from, notByMuch, lateCount(timer.misfire));
  const rest = ticksBetween(
    schedule,
    later(from, new Date(notByMuch.getTime() - 1)),
    new Date(now.getTime() + horizonMs),
    TICKS_PER_ROUND_MAX - late.length,
  );
  const times = [...late, ...rest];
  const scheduledUpTo = times.at(-1);
  if (scheduledUpTo === undefined) return undefined;
  const scheduleHash = scheduleHashOf(timer);
  return { ticks: times.map((at) => outgoingTick(timer, scheduleHash, at)), scheduledUpTo, activeFrom };
}

/**
 * For a timer that has nothing to be sent now: before this moment it has not, as long as its row stays as it is.
 * Undefined: that is not known. Throws ScheduleError.
 */
export function quietUntil(timer: Timer, now: Date, horizonMs = TICK_HORIZON_MS): Date | undefined {
  // A row that claims more than is sent ahead, by a wrong clock, keeps its timer quiet no longer than it does now.
  const horizon = new Date(now.getTime() + horizonMs);
  const { scheduledUpTo, activeFrom } = believedTimer(timer, now);
  const sent = later(scheduledUpTo, activeFrom);
  const next = parseSchedule(timer).next(sent < horizon ? sent : horizon);
  return next && new Date(next.getTime() - horizonMs);
}

/** One late tick is enough: its receiver finds all that were missed before it. */
const lateCount = (misfire: Misfire): number => (typeof misfire === "string" ? 1 : misfire.all);

/** The latest ticks after one moment and before another, in the order of their times. */
function latestBetween(schedule: Schedule, after: Date, before: Date, maxCount: number): readonly Date[] {
  const ticks: Date[] = [];
  if (before <= after) return ticks;
  for (let tick = schedule.previous(before); tick !== undefined && tick > after; tick = schedule.previous(tick)) {
    if (ticks.length === maxCount) break;
    ticks.unshift(tick);
  }
  return ticks;
}

const later = (a: Date, b: Date): Date => (a > b ? a : b);
