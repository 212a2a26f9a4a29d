import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSchedule } from "../../../../runtime/core/schedule/schedule.ts";
import { scheduleWarnings } from "../../../../runtime/core/schedule/schedule-warnings.ts";

const warningsOf = (cron: string): readonly string[] => scheduleWarnings({ cron });

describe("an author is warned", () => {
  it("an author is warned of a second that was meant as a minute", () => {
    expect(warningsOf("* 10 * * * *")).toEqual([expect.stringContaining(`"0 10 * * * *" runs once`)]);
    expect(warningsOf("0-59 10 * * * *")).toHaveLength(1);
    for (const text of ["0 */10 * * * *", "* * * * * *", "*/10 * * * *"]) expect(warningsOf(text)).toEqual([]);
  });

  it("an author is warned of days that must match twice", () => {
    expect(warningsOf("0 0 8 1 * MON")).toEqual([
      'Cron "0 0 8 1 * MON" runs on days that match both day of month "1" and day of week "MON"; Unix cron would run on either.',
    ]);
    expect(warningsOf("0 0 8 1-31 * MON")).toEqual([]);
  });

  it.each([
    ["*/45 * * * * *", "45 seconds but at second 0, 45, anew every minute", "00:00:45"],
    ["*/90 * * * * *", "90 seconds but at second 0, anew every minute", "00:01:30"],
    ["0 */45 * * * *", "45 minutes but at minute 0, 45, anew every hour", "00:45:00"],
    ["*/45 * * * *", "45 minutes but at minute 0, 45, anew every hour", "00:45:00"],
    ["0 5/45 * * * *", "45 minutes but at minute 5, 50, anew every hour", "00:45:00"],
    ["0 0-59/25 * * * *", "25 minutes but at minute 0, 25, 50, anew every hour", "00:25:00"],
    ["0 0-20/30 * * * *", "30 minutes but at minute 0, anew every hour", "00:30:00"],
    ["0 10,*/45 * * * *", "45 minutes but at minute 0, 45, anew every hour", "00:45:00"],
    ["0 0 */5 * * *", "5 hours but at hour 0, 5, 10, 15, 20, anew every day", "05:00:00"],
    ["0 0 */36 * * *", "36 hours but at hour 0, anew every day", "1.12:00:00"],
    ["0 0 0-20/5 * * *", "5 hours but at hour 0, 5, 10, 15, 20, anew every day", "05:00:00"],
    ["0 0 0 */10 * *", "10 days but at day of month 1, 11, 21, 31, anew every month", "10.00:00:00"],
    ["0 0 0 5/14 * *", "14 days but at day of month 5, 19, anew every month", "14.00:00:00"],
    ["0 0 0 1-28/9 * *", "9 days but at day of month 1, 10, 19, 28, anew every month", "9.00:00:00"],
    ["0 0 0 * * */2", "2 days but at day of week 0, 2, 4, 6, anew every week", "2.00:00:00"],
    ["0 0 0 * * MON/3", "3 days but at day of week 1, 4, anew every week", "3.00:00:00"],
  ])("an author is warned of %s, whose steps begin anew, and is shown what does not", (cron, meaning, span) => {
    const [warning, ...others] = warningsOf(cron);
    expect(others).toEqual([]);
    expect(warning).toContain(`does not run every ${meaning}. The time span "${span}" does`);
    expect(parseSchedule({ cron: span })).toBeDefined();
  });

  it.each([
    ["0 0 0 1 */5 *", "5 months from January: it runs in month 1, 6, 11."],
    ["0 0 0 1 */3 *", "3 months from January: it runs in month 1, 4, 7, 10."],
    ["0 0 0 1 feb/3 *", "3 months from January: it runs in month 2, 5, 8, 11."],
  ])("an author is warned of %s, which counts months", (cron, meaning) => {
    expect(warningsOf(cron)).toEqual([expect.stringContaining(`counts its ${meaning}`)]);
  });

  it("an author is warned of every such field by itself", () => {
    expect(warningsOf("*/90 7/7 * * * *")).toHaveLength(2);
  });

  it.each([
    ...["*/15 */20 */8 * * *", "0 5/15 * * * *", "0 0 8-18/2 * * MON-FRI", "0 0/30 * * * *", "0 0 */1 */1 */1 */1"],
    ...["0 0 0 1-15/7 * *", "0 0 0 * * 1-5/2", "0 0-45/15 * * * *", "0 0 8 * * MON-FRI"],
  ])("an author is not warned of %s", (cron) => {
    expect(warningsOf(cron)).toEqual([]);
  });

  it("an author is not warned of values written as the warning shows them", () => {
    const steps = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 2, max: 59 }), fc.constantFrom("*", "1"));
    fc.assert(
      fc.property(steps, ([at, step, from]) => {
        const fields = ["0", "0", "0", "*", "*", "*"];
        fields[at] = `${from}/${step}`;
        const written = /write "([\d,]+)"/.exec(warningsOf(fields.join(" "))[0] ?? "")?.[1];
        if (written === undefined) return;
        const first = parseSchedule({ cron: fields.join(" ") }).next(new Date("2030-01-01"));
        fields[at] = written;
        expect(warningsOf(fields.join(" "))).toEqual([]);
        expect(parseSchedule({ cron: fields.join(" ") }).next(new Date("2030-01-01"))).toEqual(first);
      }),
    );
  });

  it("an author is warned of zones with an inverted sign, and of a zone beside a time span", () => {
    const cron = "0 0 8 * * *";
    expect(scheduleWarnings({ cron, timeZone: "Etc/GMT+2" })).toEqual([
      'Time zone "Etc/GMT+2" is 2 hours behind UTC: in names with Etc the sign is turned around. Places know daylight saving, too.',
    ]);
    expect(scheduleWarnings({ cron, timeZone: "etc/gmt-1" })).toEqual([expect.stringContaining("1 hour ahead of UTC")]);
    for (const timeZone of ["Etc/GMT", "Etc/GMT+0", "Europe/Vienna", undefined]) {
      expect(scheduleWarnings({ cron, timeZone })).toEqual([]);
    }
    expect(scheduleWarnings({ cron: "00:10:00", timeZone: "Europe/Vienna" })).toEqual([
      expect.stringContaining("the time zone Europe/Vienna changes nothing"),
    ]);
  });
});
