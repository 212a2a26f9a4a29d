import { describe, expect, it } from "vitest";
import { parseSchedule } from "../../../../runtime/core/schedule/schedule.ts";
import { breadth } from "../../../support/breadth.ts";
import {
  nextTick,
  previousTick,
  readPeriods,
  type WrittenCron,
  type WrittenField,
  type ZonePeriods,
} from "./schedule-oracle.ts";
import { seededRandom, type SeededRandom } from "../../../support/seeded-random.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const [FIRST, LAST] = [Date.UTC(1970, 0, 1), Date.UTC(2060, 0, 1)];
/** Moments are taken from between; ticks are looked for a little further, and rare ones only as far. */
const [FROM, TO] = [FIRST - 400 * DAY_MS, LAST + 400 * DAY_MS];

const SEED = 20_261_129;
const QUERIES = breadth(60, 30);
const STEP_MS = breadth(24, 12) * HOUR_MS;

/** Two changes a week apart, half an hour, a day left out, an offset with seconds, and a share of all others. */
const KINDS = [
  ...[
    "Asia/Hebron",
    "America/Boa_Vista",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Monrovia",
    "Africa/Casablanca",
  ],
  ...["Europe/Vienna", "UTC"],
];
const all = [...Intl.supportedValuesOf("timeZone"), "UTC"];
const share = seededRandom(SEED);
const zones = breadth([...KINDS, ...Array.from({ length: 8 }, () => share.pick(all))], all);

describe("every schedule, in every zone from 1970 to 2060, asked in any order", () => {
  it.each(zones.map((timeZone, index) => ({ timeZone, index })))("$timeZone", ({ timeZone, index }) => {
    const random = seededRandom(SEED + index);
    const periods = readPeriods(timeZone, FROM, TO, STEP_MS);
    for (let i = 0; i < QUERIES; i++) {
      const cron = writeCron(random);
      const text = cron.map((field) => field.text).join(" ");
      const at = momentIn(periods, random);
      const schedule = parseSchedule({ cron: text, timeZone });
      const asked = { cron: text, timeZone, at: new Date(at), seed: SEED + index };
      const next = schedule.next(new Date(at))?.getTime();
      expect({ ...asked, next: next !== undefined && next <= LAST ? next : undefined }).toEqual({
        ...asked,
        next: nextTick(cron, periods, at, LAST),
      });
      const previous = schedule.previous(new Date(at))?.getTime();
      expect({ ...asked, previous: previous !== undefined && previous >= FIRST ? previous : undefined }).toEqual({
        ...asked,
        previous: previousTick(cron, periods, at, FIRST),
      });
    }
  });
});

/** Half of them within two days of a change, most of those to the second of a local hour. */
function momentIn(periods: ZonePeriods, random: SeededRandom): number {
  const between = (from: number, to: number): number => from + Math.floor(random.next() * (to - from));
  const changes = periods.slice(1).filter(({ start }) => start > FIRST + 2 * DAY_MS && start < LAST - 2 * DAY_MS);
  if (changes.length === 0 || random.chance(0.5)) return between(FIRST, LAST);
  const { start } = random.pick(changes);
  return random.chance(0.3) ? between(start - 2 * DAY_MS, start + 2 * DAY_MS) : start + between(-6, 6) * (HOUR_MS / 2);
}

/** Rhythms and times of day, on all days, some, or ones that come once in years. */
function writeCron(random: SeededRandom): WrittenCron {
  const second = random.chance(0.8) ? single(0) : field(0, 59, random);
  const [minute, hour] = [field(0, 59, random), field(0, 23, random)];
  const kind = random.next();
  if (kind < 0.1) return [second, minute, hour, single(29), single(2), field(0, 6, random)];
  if (kind < 0.2) return [second, minute, hour, single(random.pick([13, 30, 31])), star(1, 12), field(0, 6, random)];
  if (kind < 0.4) return [second, minute, hour, field(1, 31, random, 28), field(1, 12, random), star(0, 6)];
  return [second, minute, hour, star(1, 31), star(1, 12), kind < 0.6 ? field(0, 6, random) : star(0, 6)];
}

const single = (value: number): WrittenField => ({ text: String(value), values: [value] });
const star = (min: number, max: number): WrittenField => ({ text: "*", values: valuesOf(min, max, 1) });
const valuesOf = (from: number, to: number, step: number): readonly number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);

/** `maxFirst`: every month has a day of that number. */
function field(min: number, max: number, random: SeededRandom, maxFirst = max): WrittenField {
  const any = (from: number): number => from + Math.floor(random.next() * (Math.max(from, maxFirst) - from + 1));
  const first = any(min);
  const last = any(first);
  const step = 2 + Math.floor(random.next() * 14);
  const few = [...new Set([any(min), any(min), any(min)])].sort((a, b) => a - b);
  return random.pick<WrittenField>([
    star(min, max),
    single(first),
    single(first),
    { text: few.join(), values: few },
    { text: `${first}-${last}`, values: valuesOf(first, last, 1) },
    { text: `${first}/${step}`, values: valuesOf(first, max, step) },
    { text: `*/${step}`, values: valuesOf(min, max, step) },
    { text: `${first}-${last}/${step}`, values: valuesOf(first, last, step) },
  ]);
}
