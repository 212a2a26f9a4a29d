import { describe, expect, it } from "vitest";
import { cronWarning, isRhythm, parseCron } from "../../../../runtime/core/schedule/cron.ts";

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
    expect(cronWarning("* 10 * * * *")).toContain(`"0 10 * * * *" runs once`);
    expect(cronWarning("0 */10 * * * *")).toBeUndefined();
    expect(cronWarning("* * * * * *")).toBeUndefined();
    expect(cronWarning("*/10 * * * *")).toBeUndefined();
  });
});
