/**
 * The ticks of cron found by another way than production's: the changes of a zone by looking at a clock every few hours,
 * the ticks by turning each local time that matches into the instants at which that clock shows it.
 */

/** A field of cron: as it is written, and the values that match, ascending. */
export interface WrittenField {
  readonly text: string;
  readonly values: readonly number[];
}

/** Second, minute, hour, day of month, month, day of week. */
export type WrittenCron = readonly [WrittenField, WrittenField, WrittenField, WrittenField, WrittenField, WrittenField];

/** A time in which a zone's clocks keep their distance from UTC. */
interface Period {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

/** In their order, from the first moment that was looked at to the last. */
export type ZonePeriods = readonly Period[];

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
/** No clock is further from UTC. */
const OFFSET_MAX_MS = 16 * HOUR_MS;

/** Looks at the zone's clock every `stepMs`, and finds each change to the second. */
export function readPeriods(timeZone: string, from: number, to: number, stepMs: number): ZonePeriods {
  const offsetAt = clockOf(timeZone);
  const periods: Period[] = [];
  let start = from;
  let offset = offsetAt(from);
  for (let low = from; low < to; low += stepMs) {
    if (offsetAt(low + stepMs) === offset) continue;
    let [before, after] = [low, low + stepMs];
    while (after - before > SECOND_MS) {
      const middle = before + Math.floor((after - before) / (2 * SECOND_MS)) * SECOND_MS;
      if (offsetAt(middle) === offset) before = middle;
      else after = middle;
    }
    periods.push({ start, end: after, offset });
    [start, offset] = [after, offsetAt(after)];
  }
  return [...periods, { start, end: Infinity, offset }];
}

/** What the clock shows, as Sweden writes it, minus UTC. */
function clockOf(timeZone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  return (instant) => Date.parse(`${format.format(instant).replace(" ", "T")}Z`) - instant;
}

/** The first tick later than a moment, and none later than `limit`. */
export function nextTick(cron: WrittenCron, zone: ZonePeriods, after: number, limit: number): number | undefined {
  let best: number | undefined;
  for (let day = startOfDay(after) - DAY_MS; day < limit + DAY_MS; day += DAY_MS) {
    if (best !== undefined && day - OFFSET_MAX_MS > best) break;
    if (!isDay(cron, day)) continue;
    for (const local of timesOfDay(cron, day)) {
      if (local < after - OFFSET_MAX_MS) continue;
      if (best !== undefined && local - OFFSET_MAX_MS > best) break;
      for (const tick of instantsOf(cron, zone, local)) if (tick > after && !(tick >= best!)) best = tick;
    }
  }
  return best !== undefined && best <= limit ? best : undefined;
}

/** The last tick earlier than a moment, and none earlier than `limit`. */
export function previousTick(cron: WrittenCron, zone: ZonePeriods, before: number, limit: number): number | undefined {
  let best: number | undefined;
  for (let day = startOfDay(before) + DAY_MS; day > limit - 2 * DAY_MS; day -= DAY_MS) {
    if (best !== undefined && day + DAY_MS + OFFSET_MAX_MS < best) break;
    if (!isDay(cron, day)) continue;
    for (const local of timesOfDay(cron, day)) {
      if (local > before + OFFSET_MAX_MS) break;
      if (best !== undefined && local + OFFSET_MAX_MS < best) continue;
      for (const tick of instantsOf(cron, zone, local)) if (tick < before && !(tick <= best!)) best = tick;
    }
  }
  return best !== undefined && best >= limit ? best : undefined;
}

const startOfDay = (instant: number): number => Math.floor(instant / DAY_MS) * DAY_MS;

function isDay([, , , dayOfMonth, month, dayOfWeek]: WrittenCron, day: number): boolean {
  const date = new Date(day);
  return (
    dayOfMonth.values.includes(date.getUTCDate()) &&
    month.values.includes(date.getUTCMonth() + 1) &&
    dayOfWeek.values.includes(date.getUTCDay())
  );
}

function* timesOfDay([second, minute, hour]: WrittenCron, day: number): Generator<number> {
  for (const h of hour.values) {
    for (const m of minute.values) for (const s of second.values) yield day + ((h * 60 + m) * 60 + s) * SECOND_MS;
  }
}

function instantsOf([second, minute, hour]: WrittenCron, zone: ZonePeriods, local: number): readonly number[] {
  const first = zone.findIndex(({ end }) => end > local - OFFSET_MAX_MS);
  const shown: number[] = [];
  let left: number | undefined;
  for (let i = first; i < zone.length; i++) {
    const { start, end, offset } = zone[i]!;
    if (start > local + OFFSET_MAX_MS) break;
    if (local - offset >= start && local - offset < end) shown.push(local - offset);
    const before = zone[i - 1]?.offset ?? offset;
    if (local >= start + before && local < start + offset) left = local - before;
  }
  if (shown.length === 0) return left === undefined ? [] : [left];
  const isRhythm = [second, minute, hour].some(({ text }) => /[*/-]/.test(text));
  return isRhythm ? shown : shown.slice(0, 1);
}
