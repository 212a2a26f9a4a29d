/**
 * When a timer ticks: cron in a time zone, or a time span. The same text and the same moment give the same ticks
 * everywhere and always; nothing here reads a clock.
 */
import { cronSchedule, type Schedule } from "./cron-schedule.ts";
import { isRhythm, parseCron } from "./cron.ts";
import { isTimeSpan, nextOfSpan, parseTimeSpan, previousOfSpan } from "./time-span.ts";
import { zoneOf } from "./zone.ts";

export interface ScheduleText {
  /** Cron of five or six fields, or a time span `[d.]hh:mm:ss`. */
  readonly cron: string;
  /** IANA name. Default UTC. Time spans are the same in every zone. */
  readonly timeZone?: string | undefined;
}

/** Throws ScheduleError. */
export function parseSchedule({ cron, timeZone = "UTC" }: ScheduleText): Schedule {
  const zone = zoneOf(timeZone);
  if (isTimeSpan(cron)) {
    const spanMs = parseTimeSpan(cron);
    return {
      next: (after) => new Date(nextOfSpan(spanMs, after.getTime())),
      previous: (before) => new Date(previousOfSpan(spanMs, before.getTime())),
    };
  }
  return cronSchedule(parseCron(cron), zone, isRhythm(cron));
}

/** All ticks after one moment and not after another, at most `maxCount`. */
export function ticksBetween(schedule: Schedule, after: Date, upTo: Date, maxCount: number): readonly Date[] {
  const ticks: Date[] = [];
  for (let tick = schedule.next(after); tick !== undefined && tick <= upTo; tick = schedule.next(tick)) {
    if (ticks.length === maxCount) break;
    ticks.push(tick);
  }
  return ticks;
}
