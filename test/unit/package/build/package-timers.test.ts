import { describe, expect, it } from "vitest";
import type { ManifestTimer } from "../../../../runtime/core/package/manifest.ts";
import { packPackage } from "../../../../runtime/package/build/pack.ts";
import { PackError } from "../../../../runtime/package/build/problem.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";

const IMPORT = 'import { scalableTimerJob } from "jobyard/job";\n';
const timer = (options: string): string => `scalableTimerJob({ ${options} }, async () => {})`;
const source = (options: string): string => `${IMPORT}export default ${timer(options)};`;
const CRON = 'cron: "0 */10 * * * *"';

async function pack(files: Readonly<Record<string, string>>) {
  await using place = await sourcePackage(files);
  return await packPackage({ directory: place.path, target: { os: "linux", arch: "x64", libc: "glibc" } });
}

async function problemsOf(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const error: unknown = await pack(files).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PackError);
  return (error as PackError).message.split("\n");
}

const timersIn = async (files: Readonly<Record<string, string>>): Promise<readonly ManifestTimer[]> =>
  (await pack(files)).manifest.timers ?? [];

const zoneIn = async (name: string): Promise<string | undefined> =>
  (await timersIn({ "src/a.ts": source(`${CRON}, timeZone: ${JSON.stringify(name)}`) }))[0]?.timeZone;

describe("timers of a package", () => {
  it("timers are found in every source file and under every import name, with all options", async () => {
    const { manifest, warnings } = await pack({
      "src/nightly.ts": `import { scalableTimerJob as timer } from "jobyard/job";
        import { ZONE } from "./zone.ts";
        const MINUTE = 60;
        export default timer({
          cron: \`0 \${30} 2 * * *\`, timeZone: ZONE, misfire: { all: 3 }, overlap: "queue", graceSeconds: 5 * MINUTE,
          runOnDeploy: true, pool: "gpu", priority: "low", retry: { maxAttempts: 4 }, timeoutMs: 60_000, memoryMb: 512,
        }, async (ctx) => { throw new Error("executed"); });`,
      "src/zone.ts": 'export const ZONE = "Europe/Vienna";',
      "src/many.ts": `import * as jobyard from "jobyard/job";
        const options = { cron: "00:05:00" } as const;
        export const everyFive = jobyard.scalableTimerJob(options, () => undefined);
        const hidden = jobyard.scalableTimerJob({ name: "by-name_1", cron: "0 0 8 * * MON-FRI" }, () => undefined);
        export { hidden as second };`,
    });
    expect(warnings).toEqual([]);
    expect(manifest.timers).toEqual([
      { timerName: "by-name_1", cron: "0 0 8 * * MON-FRI" },
      { timerName: "everyFive", cron: "00:05:00" },
      {
        ...{ timerName: "nightly", cron: "0 30 2 * * *", timeZone: "Europe/Vienna", misfire: { all: 3 } },
        ...{ overlap: "queue", graceSeconds: 300, runOnDeploy: true, pool: "gpu", priority: "low" },
      },
    ]);
    const entry = (file: string, name: string) => ({ kind: "module", file, export: name });
    expect(manifest.jobs).toEqual([
      { jobType: "by-name_1", entry: entry("src/many.mjs", "second"), retry: { maxAttempts: 1 } },
      { jobType: "everyFive", entry: entry("src/many.mjs", "everyFive"), retry: { maxAttempts: 1 } },
      {
        ...{ jobType: "nightly", entry: entry("src/nightly.mjs", "default"), retry: { maxAttempts: 4 } },
        ...{ timeoutMs: 60_000, memoryMb: 512 },
      },
    ]);
  });

  it("timers can be declared in package.json, for programs and other jobs", async () => {
    const { manifest, warnings } = await pack({
      "package.json": JSON.stringify({
        name: "sample",
        jobyard: {
          jobs: [
            { jobType: "Sweep", command: "sh", args: ["-c", "true"] },
            { jobType: "Count", command: "sh", retry: { maxAttempts: 2 } },
          ],
          timers: [
            { timerName: "Sweep", cron: "* 10 * * * *", timeZone: "Pacific Standard Time", misfire: "skip" },
            { timerName: "Count", cron: "1.00:00:00" },
            { timerName: "Compute", cron: "0 0 * * * *" },
          ],
        },
      }),
      "src/a.ts":
        'import { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "Compute", run() {} });',
    });
    expect(manifest.timers).toEqual([
      { timerName: "Compute", cron: "0 0 * * * *" },
      { timerName: "Count", cron: "1.00:00:00" },
      { timerName: "Sweep", cron: "* 10 * * * *", timeZone: "America/Los_Angeles", misfire: "skip" },
    ]);
    expect(manifest.jobs.map(({ jobType, retry }) => [jobType, retry])).toEqual([
      ["Compute", { maxAttempts: 1 }],
      ["Count", { maxAttempts: 2 }],
      ["Sweep", { maxAttempts: 1 }],
    ]);
    expect(warnings).toEqual([
      'package.json: jobyard.timers[0].cron: Cron "* 10 * * * *" runs every second of the minutes it names; "0 10 * * * *" runs once in each.',
    ]);
  });

  it("support for timers does not change a package without timers", async () => {
    const { manifest } = await pack({
      "src/a.ts": 'import { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "A", run() {} });',
    });
    expect(manifest).not.toHaveProperty("timers");
    expect(manifest.jobs[0]).not.toHaveProperty("retry");
  });

  it.each([
    ["Europe/Kyiv", "Europe/Kyiv"],
    ["Asia/Kolkata", "Asia/Kolkata"],
    ["europe/vienna", "Europe/Vienna"],
    ["US/Pacific", "America/Los_Angeles"],
    ["Turkey", "Europe/Istanbul"],
    ["Zulu", "UTC"],
    ["utc", "UTC"],
    ["W. Europe Standard Time", "Europe/Berlin"],
    ["eastern standard time", "America/New_York"],
    ["UTC-11", "Etc/GMT+11"],
  ])("the time zone %s of a timer is stored as %s", async (given, expected) => {
    expect(await zoneIn(given)).toBe(expected);
  });

  it("timers with a schedule that is probably a mistake cause a warning with the position", async () => {
    const { warnings } = await pack({
      "src/a.ts": `${IMPORT}export const a = ${timer('cron: "* 10 * * * *"')};
export const b = ${timer('timeZone: "Europe/Vienna", cron: "00:10:00"')};
export const make = () => ${timer(CRON)};`,
    });
    expect(warnings).toEqual([
      'src/a.ts:2:37: Cron "* 10 * * * *" runs every second of the minutes it names; "0 10 * * * *" runs once in each.',
      'src/a.ts:3:64: The time span "00:10:00" is counted in UTC: the time zone Europe/Vienna changes nothing. Cron can be local.',
      "src/a.ts:4:27: This timer is declared but not exported from its file, so it is not part of the package.",
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ["no schedule", { "src/a.ts": source("") }, "src/a.ts:2:33: This timer has no cron."],
    [
      "a misspelt option",
      { "src/a.ts": source(`${CRON}, timezone: "UTC"`) },
      'scalableTimerJob has no option "timezone" (did you mean "timeZone"?).',
    ],
    [
      "an option of another system",
      { "src/a.ts": source(`${CRON}, runOnStartup: true`) },
      'scalableTimerJob has no option "runOnStartup".',
    ],
    ["a jobType option", { "src/a.ts": source(`${CRON}, jobType: "A"`) }, 'scalableTimerJob has no option "jobType".'],
    [
      "no function",
      { "src/a.ts": `${IMPORT}export default scalableTimerJob({ ${CRON} });` },
      "src/a.ts:2:16: A timer needs a function: scalableTimerJob({ … }, async (ctx) => { … }).",
    ],
    [
      "a schedule that is not constant",
      { "src/a.ts": source("cron: process.env.CRON") },
      "src/a.ts:2:41: The cron of a timer must be a constant",
    ],
    [
      "options from elsewhere",
      { "src/a.ts": `${IMPORT}export default scalableTimerJob(options(), () => {});` },
      "src/a.ts:2:33: scalableTimerJob expects an object literal here",
    ],
    [
      "an invalid field",
      { "src/a.ts": source('cron: "0 60 * * * *"') },
      'src/a.ts:2:35: cron: Cron field minute: "60" must be of 0-59, as *, a, a-b, with /n for steps.',
    ],
    [
      "a date that never comes",
      { "src/a.ts": source('cron: "0 0 0 31 2 *"') },
      'src/a.ts:2:35: cron: Cron "0 0 0 31 2 *" never matches: none of the months it names has a day 31.',
    ],
    [
      "an unknown zone",
      { "src/a.ts": source(`${CRON}, timeZone: "Europe/Wien"`) },
      'src/a.ts:2:59: timeZone: Time zone "Europe/Wien" is not in the IANA database; use a name such as Europe/Vienna.',
    ],
    [
      "an invalid misfire",
      { "src/a.ts": source(`${CRON}, misfire: "all"`) },
      'src/a.ts:2:59: misfire: expected "once", "skip" or { "all": a whole number from 1 to 100 }.',
    ],
    [
      "a name with a dot",
      { "src/a.ts": source(`${CRON}, name: "a.b"`) },
      "src/a.ts:2:59: name: expected 1 to 60 letters, digits, inner hyphens and underscores.",
    ],
    [
      "a file whose name cannot be a timer's",
      { "src/a.timer.ts": source(CRON) },
      'src/a.timer.ts:2:16: The name of this file, "a.timer", is not a valid timer name (1 to 60 letters',
    ],
    [
      "an export whose name cannot be a timer's",
      { "src/a.ts": `${IMPORT}export const $a = ${timer(CRON)};` },
      'src/a.ts:2:19: The name of this export, "$a", is not a valid timer name',
    ],
    [
      "two timers with one name",
      { "src/a.ts": source(CRON), "src/b.ts": source(`${CRON}, name: "a"`) },
      'src/b.ts:2:16: Job type "a" is declared already, at src/a.ts:2:16.',
    ],
    [
      "two timers whose names differ only in case",
      { "src/a.ts": source(CRON), "src/b.ts": source(`${CRON}, name: "A"`) },
      'src/a.ts:2:16: Timer "a" is declared already, at src/b.ts:2:16: names must not differ only in capitals.',
    ],
    [
      "one timer in the source and in package.json",
      {
        "package.json": '{ "name": "sample", "jobyard": { "timers": [{ "timerName": "a", "cron": "00:10:00" }] } }',
        "src/a.ts": source(CRON),
      },
      'package.json: jobyard.timers[0]: Timer "a" is declared already, at src/a.ts:2:16',
    ],
    [
      "a timer in package.json without a job",
      {
        "package.json": '{ "name": "sample", "jobyard": { "timers": [{ "timerName": "b", "cron": "00:10:00" }] } }',
        "src/a.ts": source(CRON),
      },
      'package.json: jobyard.timers[0]: "b" is not a job type of this package, which has: a.',
    ],
    [
      "fields in package.json that cannot be",
      {
        "package.json":
          '{ "name": "sample", "jobyard": { "timers": [{ "timerName": "a", "cron": "24:00:00", "timeZone": "Mars" }] } }',
      },
      'package.json: jobyard.timers[0].cron: Time span "24:00:00" must be hh:mm:ss or d.hh:mm:ss',
    ],
  ])("timers are refused for %s, with the position", async (_, files, expected) => {
    expect(await problemsOf(files)).toContainEqual(expect.stringContaining(expected));
  });
});
