import { describe, expect, it } from "vitest";
import { isRhythm, parseCron } from "../../../../runtime/core/schedule/cron.ts";

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
    ["* * * *", /six fields.*it has 4/],
    ["", /six fields.*it has 0/],
    ["0 0 0 * * * 2030", /it has 7. The seventh is the year of Quartz cron: leave it out/],
    ["@daily", /"@daily" is a shorthand of another cron: write "0 0 0 \* \* \*"/],
    ["@Weekly", /write "0 0 0 \* \* 0"/],
    ["@every 5m", /shorthand of another cron: write a time span, such as "00:05:00"/],
    ["@reboot", /runOnDeploy/],
    ["%Schedule%", /"%Schedule%" names a setting, and settings are not read here/],
    ["0 %Minute% * * * *", /minute: "%Minute%" names a setting/],
    ["60 * * * * *", /second: "60" must be of 0-59/],
    ["0 0 24 * * *", /hour: "24": hours end at 23, and midnight is 0/],
    ["0 0 20-24 * * *", /hour: "20-24": hours end at 23/],
    ["0 0 0 0 * *", /day of month: "0" must be of 1-31/],
    ["0 0 0 * * 7", /day of week: "7": Sunday is 0, not 7/],
    ["0 0 0 * * 5-7", /Sunday is 0, not 7. Write "5-6,0"/],
    ["0 0 0 * * 6-7", /Write "6,0"/],
    ["0 0 0 * * 7-2", /Sunday is 0, not 7/],
    ["0 5-1 * * * *", /minute: the range "5-1" ends before it begins. To go on past 59, write "5-59,0-1"/],
    ["0 0 22-6 * * *", /write "22-23,0-6"/],
    ["0 0 22-6/2 * * *", /write "22,0,2,4,6"/],
    ["0 0 23-0 * * *", /write "23,0"/],
    ["0 0 0 * * FRI-mon", /write "FRI-SAT,SUN-mon"/],
    ["0 0 0 * OCT-FEB *", /write "OCT-DEC,JAN-FEB"/],
    ["0 0 0 20-10 * *", /write "20-31,1-10"/],
    ["0 */0 * * * *", /step in "\*\/0" must be at least 1/],
    ["0 0 0 ? * *", /day of month: "\?" is of Quartz cron: write \*/],
    ["0 0 0 L * *", /day of month: "L" is of Quartz cron: there is no "last" here/],
    ["0 0 0 LW * *", /"LW" is of Quartz cron: there is no "last"/],
    ["0 0 0 * * 5L", /day of week: "5L" is of Quartz cron: there is no "last"/],
    ["0 0 0 15W * *", /"15W" is of Quartz cron: there is no "nearest weekday"/],
    ["0 0 0 * * MON#2", /"MON#2" is of Quartz cron: write day of month 8-14 and day of week MON/],
    ["0 0 0 * ju *", /month: "ju": words have three letters/],
    ["0 0 0 * foo *", /month: "foo" must be of 1-12/],
    ["0 1,,2 * * * *", /minute: a value is missing beside a comma/],
    ["0 1/2/3 * * * *", /minute: "1\/2\/3" must be of 0-59/],
    ["0 1-2-3 * * * *", /minute: "1-2-3" must be of 0-59/],
    ["0 0 0 31 2 *", /never matches/],
    ["0 0 0 30 feb *", /never matches/],
    ["0 0 0 31 4,6,9,11 *", /never matches/],
  ])("cron text %s is refused with a reason", (text, message) => {
    expect(() => parseCron(text)).toThrow(message);
  });

  it("cron text is accepted as its refusal says to write it", () => {
    expect(parseCron("0 0 22-23,0-6 * * *").hours).toEqual([0, 1, 2, 3, 4, 5, 6, 22, 23]);
    expect(parseCron("0 0 0 * * FRI-SAT,SUN-mon").daysOfWeek).toEqual([0, 1, 5, 6]);
    expect(parseCron("0 0 0 * OCT-DEC,JAN-FEB *").months).toEqual([1, 2, 10, 11, 12]);
  });

  it("cron text is a rhythm by its form, not by what it matches", () => {
    expect(isRhythm("0 */20 * * * *")).toBe(true);
    expect(isRhythm("0 30 * * * *")).toBe(true);
    expect(isRhythm("0 30 1-1 * * *")).toBe(true);
    expect(isRhythm("0 0,30 1,2 */2 * *")).toBe(false);
    expect(isRhythm("30 1 * * *")).toBe(false);
  });
});
