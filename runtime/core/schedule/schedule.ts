/**
 * When a timer ticks: cron in a time zone, or a time span. The same text and the same moment give the same ticks
 * everywhere and always; nothing here reads a clock.
 *
 * Daylight saving, for cron:
 *
 * | clocks go | a local time         | ticks                                                           |
 * |-----------|----------------------|-----------------------------------------------------------------|
 * | forward   | that does not exist  | as much later as the clocks jumped: 02:30 becomes 03:30         |
 * | back      | that exists twice    | a rhythm (`0 *\/20 * * * *`) both times, a time of day the first |
 *
 * Two local times that become the same instant are one tick.
 */
import { isRhythm, parseCron, type CronFields } from "./cron.ts";
import { firstMatch, lastMatch } from "./match-local.ts";
import { isTimeSpan, nextOfSpan, parseTimeSpan, previousOfSpan } from "./time-span.ts";
import { zoneOf, type Stretch, type Zone } from "./zone.ts";

export interface Schedule {
  /** The first tick strictly later than a moment; undefined: there is none within 40 years. */
  next(after: Date): Date | undefined;
  /** The last tick strictly earlier. */
  previous(before: Date): Date | undefined;
}

export interface ScheduleText {
  /** Cron of five or six fields, or a time span `[d.]hh:mm:ss`. */
  readonly cron: string;
  /** IANA name. Default UTC. Time spans are the same in every zone. */
  readonly timeZone?: string | undefined;
}

const SECOND_MS = 1_000;

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

function cronSchedule(fields: CronFields, zone: Zone, rhythm: boolean): Schedule {
  return {
    next(after) {
      let from = (Math.floor(after.getTime() / SECOND_MS) + 1) * SECOND_MS;
      for (;;) {
        const stretch = zone.stretchAt(from);
        const tick = earliest(inStretch(stretch, from), inGap(stretch, from));
        if (tick !== undefined) return new Date(tick);
        if (firstMatch(fields, stretch.end - DAY_MS) === undefined) return undefined;
        from = stretch.end;
      }
    },
    previous(before) {
      let to = (Math.ceil(before.getTime() / SECOND_MS) - 1) * SECOND_MS;
      for (;;) {
        const stretch = zone.stretchAt(to);
        const tick = latest(lastInStretch(stretch, to), lastInGap(stretch, to));
        if (tick !== undefined) return new Date(tick);
        if (lastMatch(fields, stretch.start + DAY_MS) === undefined) return undefined;
        to = stretch.start - SECOND_MS;
      }
    },
  };

  /** Local times of the stretch itself; a time of day that was there before the clocks went back is passed over. */
  function inStretch(stretch: Stretch, from: number): number | undefined {
    const { offsetMs, start, end } = stretch;
    const first = rhythm ? from : Math.max(from, start + repeatedMs(stretch));
    const local = firstMatch(fields, first + offsetMs);
    return local === undefined || local - offsetMs >= end ? undefined : local - offsetMs;
  }

  function lastInStretch(stretch: Stretch, to: number): number | undefined {
    const { offsetMs, start } = stretch;
    const first = rhythm ? start : start + repeatedMs(stretch);
    const local = lastMatch(fields, to + offsetMs);
    return local === undefined || local - offsetMs < first ? undefined : local - offsetMs;
  }

  /** Local times the clocks jumped over: at the instants they would have been. */
  function inGap({ offsetBeforeMs, offsetMs, start }: Stretch, from: number): number | undefined {
    const gapEnd = start + Math.max(0, offsetMs - offsetBeforeMs);
    if (from >= gapEnd) return undefined;
    const local = firstMatch(fields, Math.max(from, start) + offsetBeforeMs);
    return local === undefined || local - offsetBeforeMs >= gapEnd ? undefined : local - offsetBeforeMs;
  }

  function lastInGap({ offsetBeforeMs, offsetMs, start }: Stretch, to: number): number | undefined {
    const gapEnd = start + Math.max(0, offsetMs - offsetBeforeMs);
    if (gapEnd === start) return undefined;
    const local = lastMatch(fields, Math.min(to, gapEnd - SECOND_MS) + offsetBeforeMs);
    return local === undefined || local - offsetBeforeMs < start ? undefined : local - offsetBeforeMs;
  }
}

const DAY_MS = 24 * 60 * 60 * SECOND_MS;

/** How long local times are shown a second time at the begin of a stretch. */
const repeatedMs = ({ offsetBeforeMs, offsetMs }: Stretch): number => Math.max(0, offsetBeforeMs - offsetMs);

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
const latest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);
