/** The next and the previous local time that a cron schedule names. Knows calendars and no time zones. */
import type { CronFields } from "./cron.ts";

const SECOND_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
/** The 29th of February on a given weekday comes after 40 years at the latest (a century without leap day between). */
const LOOK_YEARS = 41;

/** The first match at or after a local time; undefined: none in 41 years. */
export function firstMatch(fields: CronFields, local: number): number | undefined {
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
export function lastMatch(fields: CronFields, local: number): number | undefined {
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

/** The nearest matching day in a direction, the given one included. Months that do not match cost nothing but their count. */
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
