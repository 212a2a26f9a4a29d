import { describe, expect, it } from "vitest";
import { cronWarnings, isRhythm, parseCron } from "../../../../runtime/core/schedule/cron.ts";

describe("cron text", () => {
  it.each([
    ["0 */10 * * * *", { seconds: [0], minutes: [0, 10, 20, 30, 40, 50] }],
    ["*/10 * * * *", { seconds: [0], minutes: [0, 10, 20, 30, 40, 50] }],
    ["5/15 0 8-17/3 * * *", { seconds: [5, 20, 35, 50], hours: [8, 11, 14, 17] }],
    ["0 0 0 1,15 Jan-MAR mon,Friday", { daysOfMonth: [1, 15], months: [1, 2, 3], daysOfWeek: [1, 5] }],
    ["0 30 1 * sept 0", { months: [9], daysOfWeek: [0] }],
    ["0 0 0 29 2 *", { daysOfMonth: [29], months: [2] }],
  ])("%s", (text, fields) => {
    expect(parseCron(text)).toMatchObject(fields);
  });

  it.each([
    ["* * * *", /six fields/],
    ["60 * * * * *", /second: "60" must be of 0-59/],
    ["0 0 24 * * *", /hour/],
    ["0 0 0 0 * *", /day of month: "0" must be of 1-31/],
    ["0 0 0 * * 7", /day of week: "7" must be of 0-6/],
    ["0 5-1 * * * *", /minute/],
    ["0 */0 * * * *", /step in "\*\/0" must be at least 1/],
    ["0 0 0 ? * *", /day of month/],
    ["0 0 0 L * *", /day of month/],
    ["0 0 0 * * MON#2", /day of week/],
    ["0 0 0 * ju *", /month/],
    ["0 1,,2 * * * *", /minute/],
    ["0 0 0 31 2 *", /never matches/],
    ["0 0 0 30 feb *", /never matches/],
    ["0 0 0 31 4,6,9,11 *", /never matches/],
  ])("%s is refused, and why is said", (text, message) => {
    expect(() => parseCron(text)).toThrow(message);
  });

  it("is a rhythm by its text, not by what it matches", () => {
    expect(isRhythm("0 */20 * * * *")).toBe(true);
    expect(isRhythm("0 30 * * * *")).toBe(true);
    expect(isRhythm("0 30 1-1 * * *")).toBe(true);
    expect(isRhythm("0 0,30 1,2 */2 * *")).toBe(false);
    expect(isRhythm("30 1 * * *")).toBe(false);
  });

  it("warns of the second that was meant to be a minute", () => {
    expect(cronWarnings("* 10 * * * *")).toEqual([expect.stringContaining(`"0 10 * * * *" runs once`)]);
    for (const text of ["0 */10 * * * *", "* * * * * *", "*/10 * * * *"]) expect(cronWarnings(text)).toEqual([]);
  });

  it("warns of days that must match twice, and of steps that begin anew", () => {
    expect(cronWarnings("0 0 8 1 * MON")).toEqual([
      'Cron "0 0 8 1 * MON" runs on days that match both day of month "1" and day of week "MON"; Unix cron would run on either.',
    ]);
    expect(cronWarnings("0 */45 * * * *")).toEqual([
      'Cron "0 */45 * * * *" does not run every 45 minutes but at minute 0, 45, again and again; a time span can be every 45 minutes.',
    ]);
    expect(cronWarnings("*/90 * */7 * * *")).toHaveLength(2);
    for (const text of ["*/15 */20 */8 * * *", "0 0 8 * * MON-FRI", "0 5/45 * * * *"]) {
      expect(cronWarnings(text)).toEqual([]);
    }
  });
});
