/**
 * The ticks of cron on the clocks of a zone. How often the zone is looked at does not depend on how rare the ticks are:
 * from one stretch the search goes on where the calendar has the next match.
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
import type { CronFields } from "./cron.ts";
import type { Stretch, Zone } from "./zone.ts";

const SECOND_MS = 1_000;
/** Longer than local time and UTC ever differ, and than any change of clocks. */
const DAY_MS = 24 * 60 * 60 * SECOND_MS;

export interface Schedule {
  /** The first tick strictly later than a moment; undefined: there is none within 40 years. */
  next(after: Date): Date | undefined;
  /** The last tick strictly earlier. */
  previous(before: Date): Date | undefined;
}

/** `rhythm`: local times that come twice match twice. */
export function cronSchedule(fields: CronFields, zone: Zone, rhythm: boolean): Schedule {
  return {
    next(after) {
      let from = (Math.floor(after.getTime() / SECOND_MS) + 1) * SECOND_MS;
      for (;;) {
        const stretch = zone.stretchAt(from);
        const tick = earliest(inStretch(stretch, from), inGap(stretch, from));
        if (tick !== undefined) return new Date(tick);
        const match = firstMatch(fields, stretch.end - DAY_MS);
        if (match === undefined) return undefined;
        from = Math.max(stretch.end, match - DAY_MS);
      }
    },
    previous(before) {
      let to = (Math.ceil(before.getTime() / SECOND_MS) - 1) * SECOND_MS;
      for (;;) {
        const stretch = zone.stretchAt(to);
        const tick = latest(lastInStretch(stretch, to), lastInGap(stretch, to));
        if (tick !== undefined) return new Date(tick);
        const match = lastMatch(fields, stretch.start + DAY_MS);
        if (match === undefined) return undefined;
        to = Math.min(stretch.start - SECOND_MS, match + DAY_MS);
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

/** How long local times are shown a second time at the begin of a stretch. */
const repeatedMs = ({ offsetBeforeMs, offsetMs }: Stretch): number => Math.max(0, offsetBeforeMs - offsetMs);

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
const latest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

// --- Local times that match: calendars without time zones ------------------------------------------------------------

/** The 29th of February on a given weekday comes after 40 years at the latest (a century without leap day between). */
const LOOK_YEARS = 41;

/** The first match at or after a local time; undefined: none in 41 years. */
function firstMatch(fields: CronFields, local: number): number | undefined {
  const from = Math.ceil(local / SECOND_MS) * SECOND_MS;
  const firstDay = startOfDay(from);
  const lastYear = new Date(from).getUTCFullYear() + LOOK_YEARS;
  for (let day = nextDay(fields, firstDay, 1, lastYear); day !== undefined;) {
    const match = firstOfDay(fields, day === firstDay ? (from - day) / SECOND_MS : 0);
    if (match !== undefined) return day + match * SECOND_MS;
    day = nextDay(fields, day + DAY_MS, 1, lastYear);
  }
  return undefined;
}

/** The last match at or before a local time. */
function lastMatch(fields: CronFields, local: number): number | undefined {
  const from = Math.floor(local / SECOND_MS) * SECOND_MS;
  const lastDay = startOfDay(from);
  const firstYear = new Date(from).getUTCFullYear() - LOOK_YEARS;
  for (let day = nextDay(fields, lastDay, -1, firstYear); day !== undefined;) {
    const match = lastOfDay(fields, day === lastDay ? (from - day) / SECOND_MS : DAY_MS / SECOND_MS - 1);
    if (match !== undefined) return day + match * SECOND_MS;
    day = nextDay(fields, day - DAY_MS, -1, firstYear);
  }
  return undefined;
}

const startOfDay = (local: number): number => Math.floor(local / DAY_MS) * DAY_MS;

/**
 * The nearest matching day in a direction, the given one included. Months that do not match cost nothing but their
 * count.
 */
function nextDay(fields: CronFields, day: number, direction: 1 | -1, limitYear: number): number | undefined {
  const { months, daysOfMonth, daysOfWeek } = fields;
  const dates = direction === 1 ? daysOfMonth : daysOfMonth.toReversed();
  const from = new Date(day);
  let [year, month] = [from.getUTCFullYear(), from.getUTCMonth()];
  for (; direction * (limitYear - year) >= 0; month += direction) {
    if (month === 12 || month === -1) [year, month] = [year + direction, month === 12 ? 0 : 11];
    if (!months.includes(month + 1)) continue;
    const first = Date.UTC(year, month, 1);
    const dayCount = (Date.UTC(year, month + 1, 1) - first) / DAY_MS;
    const weekday = new Date(first).getUTCDay();
    for (const date of dates) {
      const found = first + (date - 1) * DAY_MS;
      if (date > dayCount || direction * (found - day) < 0) continue;
      if (daysOfWeek.includes((weekday + date - 1) % 7)) return found;
    }
  }
  return undefined;
}

/** Seconds into the day. */
function firstOfDay({ hours, minutes, seconds }: CronFields, from: number): number | undefined {
  for (const hour of hours) {
    if (hour * 3_600 + 3_599 < from) continue;
    for (const minute of minutes) {
      const start = hour * 3_600 + minute * 60;
      if (start + 59 < from) continue;
      const second = seconds.find((each) => start + each >= from);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}

function lastOfDay({ hours, minutes, seconds }: CronFields, to: number): number | undefined {
  for (const hour of hours.toReversed()) {
    if (hour * 3_600 > to) continue;
    for (const minute of minutes.toReversed()) {
      const start = hour * 3_600 + minute * 60;
      if (start > to) continue;
      const second = seconds.findLast((each) => start + each <= to);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}
