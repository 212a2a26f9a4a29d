import fc from "fast-check";
import { DateTime } from "luxon";
import { describe, expect, it } from "vitest";
import { cronSchedule } from "../../../../runtime/core/schedule/cron-schedule.ts";
import { isRhythm, parseCron } from "../../../../runtime/core/schedule/cron.ts";
import { parseSchedule, ticksBetween, type ScheduleText } from "../../../../runtime/core/schedule/schedule.ts";
import { type Zone, zoneOf } from "../../../../runtime/core/schedule/zone.ts";
import { breadth } from "../../../support/breadth.ts";

const LOS_ANGELES = "America/Los_Angeles";

/** Ticks after a moment, in the zone's own words. */
function ticks({ cron, timeZone = "UTC" }: ScheduleText, after: string, count: number): readonly (string | null)[] {
  const schedule = parseSchedule({ cron, timeZone });
  const from = new Date(after);
  return ticksBetween(schedule, from, new Date(8.64e15), count).map((tick) =>
    DateTime.fromJSDate(tick, { zone: timeZone }).toISO({ suppressMilliseconds: true }),
  );
}

describe("cron", () => {
  it("asks day of month and day of week together", () => {
    const friday13 = ticks({ cron: "0 0 0 13 * fri" }, "2026-01-01T00:00:00Z", 3);
    expect(friday13).toEqual(["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-11-13T00:00:00Z"]);
  });

  it("is strictly later than the moment it is asked for", () => {
    expect(ticks({ cron: "0 0 * * * *" }, "2026-01-01T05:00:00Z", 1)).toEqual(["2026-01-01T06:00:00Z"]);
    expect(ticks({ cron: "0 0 * * * *" }, "2026-01-01T04:59:59.999Z", 1)).toEqual(["2026-01-01T05:00:00Z"]);
  });

  it("finds days that come once in decades", () => {
    expect(ticks({ cron: "0 0 0 29 2 sat" }, "2028-01-01T00:00:00Z", 1)).toEqual(["2048-02-29T00:00:00Z"]);
    expect(ticks({ cron: "0 0 0 29 2 *" }, "2097-01-01T00:00:00Z", 1)).toEqual(["2104-02-29T00:00:00Z"]);
  });
});

describe("cron when clocks change", () => {
  it.each([
    [
      "a rhythm goes on through the hour that comes twice",
      "0 */20 * * * *",
      "2018-11-04T07:50:00Z",
      [
        ...["2018-11-04T01:00:00-07:00", "2018-11-04T01:20:00-07:00", "2018-11-04T01:40:00-07:00"],
        ...["2018-11-04T01:00:00-08:00", "2018-11-04T01:20:00-08:00", "2018-11-04T01:40:00-08:00"],
      ],
    ],
    [
      "a time of day comes once in it, the first time",
      "0 30 1 * * *",
      "2018-11-04T00:00:00Z",
      ["2018-11-04T01:30:00-07:00", "2018-11-05T01:30:00-08:00"],
    ],
    [
      "a rhythm passes the hour that is missing",
      "0 30 * * * *",
      "2018-03-11T08:45:00Z",
      ["2018-03-11T01:30:00-08:00", "2018-03-11T03:30:00-07:00", "2018-03-11T04:30:00-07:00"],
    ],
    [
      "a time of day that is missing comes as much later as the clocks jumped",
      "0 30 2 * * *",
      "2018-03-11T00:00:00Z",
      ["2018-03-11T03:30:00-07:00", "2018-03-12T02:30:00-07:00"],
    ],
    [
      "two times that become one are one",
      "0 30 2,3 * * *",
      "2018-03-11T00:00:00Z",
      ["2018-03-11T03:30:00-07:00", "2018-03-12T02:30:00-07:00", "2018-03-12T03:30:00-07:00"],
    ],
  ])("%s", (_, cron, after, expected) => {
    expect(ticks({ cron, timeZone: LOS_ANGELES }, after, expected.length)).toEqual(expected);
  });

  it("knows zones that change by half an hour, and days that are missing", () => {
    const lordHowe = ticks({ cron: "0 15 2 * * *", timeZone: "Australia/Lord_Howe" }, "2026-10-02T20:00:00Z", 2);
    expect(lordHowe).toEqual(["2026-10-04T02:45:00+11:00", "2026-10-05T02:15:00+11:00"]);
    // Samoa went from the 29th to the 31st.
    const apia = ticks({ cron: "0 0 12 * * *", timeZone: "Pacific/Apia" }, "2011-12-29T12:00:00Z", 3);
    expect(apia).toEqual(["2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00", "2012-01-01T12:00:00+14:00"]);
  });
});

describe("changes of clocks a week apart", () => {
  it.each([
    ["Asia/Hebron", "2040-10-18T21:00:00Z", { before: "+02:00", between: "+03:00", after: "+02:00" }, "2040-10-19"],
    [
      "America/Boa_Vista",
      "2000-10-07T12:00:00Z",
      { before: "-04:00", between: "-03:00", after: "-04:00" },
      "2000-10-07",
    ],
  ])("are both seen in %s", (timeZone, from, offsets, firstDay) => {
    const days = Array.from({ length: 10 }, (_, i) => DateTime.fromISO(firstDay).plus({ days: i }).toISODate());
    const found = ticks({ cron: "0 0 12 * * *", timeZone }, from, 10);
    expect(found).toEqual(
      days.map((day, i) => `${day}T12:00:00${i === 0 ? offsets.before : i < 8 ? offsets.between : offsets.after}`),
    );
  });
});

describe("a rare schedule", () => {
  const vienna = zoneOf("Europe/Vienna");

  it.each(["0 0 0 29 2 SAT", "0 30 2 29 2 SUN", "* * * 29 2 MON", "0 0 0 31 12 *"])(
    "%s asks its zone a few times, however far its ticks are",
    (cron) => {
      let lookups = 0;
      const counted: Zone = { stretchAt: (instant) => (lookups++, vienna.stretchAt(instant)) };
      const schedule = cronSchedule(parseCron(cron), counted, isRhythm(cron));
      const moments = [
        new Date("2028-03-01T00:00:00Z"),
        new Date("2000-01-01T00:00:00Z"),
        new Date("2097-01-01T00:00:00Z"),
      ];
      for (const moment of moments) {
        for (const ask of [() => schedule.next(moment), () => schedule.previous(moment)]) {
          lookups = 0;
          expect(ask()).toBeInstanceOf(Date);
          expect(lookups).toBeLessThanOrEqual(4);
        }
      }
    },
  );
});

describe("a time span", () => {
  it("counts from a fixed moment, whenever it is asked", () => {
    expect(ticks({ cron: "00:10:00" }, "2026-05-01T00:03:00Z", 2)).toEqual([
      "2026-05-01T00:10:00Z",
      "2026-05-01T00:20:00Z",
    ]);
    expect(ticks({ cron: "1.00:00:00" }, "2026-05-01T10:00:00Z", 1)).toEqual(["2026-05-02T00:00:00Z"]);
    expect(ticks({ cron: "7.00:00:00" }, "2026-05-01T10:00:00Z", 1)).toEqual(["2026-05-03T00:00:00Z"]);
  });

  it.each([
    ["24:00:00", /That long is "1.00:00:00"; .NET reads 24 days, which is "24.00:00:00"/],
    ["25:30:00", /That long is "1.01:30:00"\.$/],
    ["1:00:00:00", /Days end with a dot: "1.00:00:00"/],
    ["00:05", /Seconds must be written: "00:05:00"/],
    ["00:00:00.500", /Parts of a second cannot be/],
    ["00:60:00", /hours up to 23 and minutes and seconds up to 59\.$/],
    ["00:00:60", /hours up to 23 and minutes and seconds up to 59\.$/],
    ["1:2", /must be hh:mm:ss/],
    ["00:00:00", /at least one second/],
    ["367.00:00:00", /at most 366 days/],
  ])("%s is refused, and why is said", (cron, message) => {
    expect(() => parseSchedule({ cron })).toThrow(message);
  });
});

it("refuses a zone nobody knows", () => {
  expect(() => parseSchedule({ cron: "0 0 0 * * *", timeZone: "Mars/Olympus" })).toThrow(/Mars\/Olympus.*IANA/);
});

/** Fields written so that both rhythms and times of day occur, in zones of every kind. */
const field = (min: number, max: number) =>
  fc.oneof(
    fc.constant("*"),
    fc.integer({ min, max }).map(String),
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.integer({ min: 2, max: 15 }).map((step) => `*/${step}`),
    fc.array(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }).map((values) => values.join(",")),
  );
const cronText = fc
  .tuple(field(0, 59), field(0, 59), field(0, 23), fc.oneof(fc.constant("*"), field(1, 28)), field(1, 12), field(0, 6))
  .map((fields) => fields.join(" "));
const moment = fc.date({ min: new Date("2024-01-01"), max: new Date("2030-12-31"), noInvalidDate: true });
const anyZone = fc.constantFrom(...Intl.supportedValuesOf("timeZone"));

describe("every schedule, in every zone", () => {
  it("goes strictly forward, and back the same way", () => {
    fc.assert(
      fc.property(cronText, anyZone, moment, (cron, timeZone, after) => {
        const schedule = parseSchedule({ cron, timeZone });
        const next = schedule.next(after);
        if (next === undefined) return;
        expect(next.getTime()).toBeGreaterThan(after.getTime());
        const second = schedule.next(next);
        expect(second && schedule.previous(second)).toEqual(next);
        expect(schedule.previous(next)?.getTime() ?? -Infinity).toBeLessThanOrEqual(after.getTime());
      }),
      { numRuns: 300 },
    );
  });

  it("ticks exactly at the minutes another library's clock shows, around the changes of that zone", () => {
    const minutes = fc.tuple(field(0, 59), field(0, 23)).map(([minute, hour]) => `0 ${minute} ${hour} * * *`);
    fc.assert(
      fc.property(minutes, fc.constantFrom(...CHANGES), (cron, { timeZone, at }) => {
        const [from, to] = [at - 30 * HOUR_MS, at + 30 * HOUR_MS];
        const found = ticksBetween(parseSchedule({ cron, timeZone }), new Date(from - 1), new Date(to), 10_000);
        expect(found.map((tick) => tick.getTime())).toEqual(byBruteForce(cron, timeZone, from, to));
      }),
      { numRuns: breadth(12, 60) },
    );
  });
});

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Some changes of clocks, of every kind there is. */
const CHANGES = [
  { timeZone: "Europe/Vienna", at: Date.UTC(2026, 2, 29, 1) },
  { timeZone: "Europe/Vienna", at: Date.UTC(2026, 9, 25, 1) },
  { timeZone: LOS_ANGELES, at: Date.UTC(2027, 2, 14, 10) },
  { timeZone: LOS_ANGELES, at: Date.UTC(2027, 10, 7, 9) },
  { timeZone: "Australia/Lord_Howe", at: Date.UTC(2026, 3, 4, 15) },
  { timeZone: "Australia/Lord_Howe", at: Date.UTC(2026, 9, 3, 15, 30) },
  { timeZone: "America/Havana", at: Date.UTC(2026, 2, 8, 5) },
  { timeZone: "Africa/Casablanca", at: Date.UTC(2026, 1, 15, 2) },
  { timeZone: "Asia/Kolkata", at: Date.UTC(2026, 5, 1) },
  { timeZone: "Pacific/Apia", at: Date.UTC(2011, 11, 30, 10) },
];

/** Looks at every minute with luxon's clock, and at the minutes that clock leaves out. */
function byBruteForce(cron: string, timeZone: string, from: number, to: number): readonly number[] {
  const { minutes, hours } = parseCron(cron);
  const rhythm = isRhythm(cron);
  const seen = new Set<string>();
  const found = new Set<number>();
  // A day before, so that what comes a second time is known as such.
  let previous = DateTime.fromMillis(from - 24 * HOUR_MS - MINUTE_MS, { zone: timeZone });
  for (let at = from - 24 * HOUR_MS; at <= to; at += MINUTE_MS) {
    const local = DateTime.fromMillis(at, { zone: timeZone });
    const matches = (hour: number, minute: number): boolean => hours.includes(hour) && minutes.includes(minute);
    const note = (instant: number): void => {
      if (instant >= from && instant <= to) found.add(instant);
    };
    const shown = local.toFormat("yyyy-MM-dd HH:mm");
    if (matches(local.hour, local.minute) && (rhythm || !seen.has(shown))) note(at);
    seen.add(shown);
    // Clocks jumped: every minute they left out, at the instant it would have been.
    const jumped = local.offset - previous.offset;
    for (let minute = 0; minute < jumped; minute++) {
      const skipped = DateTime.fromMillis(at + minute * MINUTE_MS + previous.offset * MINUTE_MS, { zone: "UTC" });
      if (matches(skipped.hour, skipped.minute)) note(at + minute * MINUTE_MS);
    }
    previous = local;
  }
  return [...found].sort((a, b) => a - b);
}
