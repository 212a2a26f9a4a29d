import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobView, TimerView } from "../../../runtime/client/index.ts";
import type { Timer } from "../../../runtime/core/timer/timer.ts";
import { timerOf } from "../../support/builders.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import type { CliResult } from "../../support/processes/cli-process.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

let system: TestSystem;
let desk: Awaited<ReturnType<typeof temporaryDirectory>>;
const tenant = freshTenant();
beforeAll(async () => {
  desk = await temporaryDirectory();
  system = await startTestSystem();
  const jobs = { Quick: "return { output: job.parameters };", Fail: 'throw nonRetryable("no good");', Odd: "" };
  await system.publish(tenant, "my.test.zip", testPackage({ jobs }));
  const timers: readonly Partial<Timer>[] = [
    { timerName: "Quick", cron: "0 0 3 * * *", timeZone: "America/Argentina/Buenos_Aires" },
    { timerName: "Fail", cron: "00:10:00" },
    { timerName: "Odd", cron: "0 */45 * * * *" },
  ];
  for (const fields of timers) {
    const timer = timerOf({ tenantName: tenant, packageName: "my.test.zip", ...fields });
    await system.api.timers.write(timer, undefined);
  }
  await system.startWorker();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await desk[Symbol.asyncDispose]();
});

const timers = (...args: readonly string[]): Promise<CliResult> =>
  runCliHere(["timers", ...args, "--tenant", tenant], {
    env: { HOME: desk.path, JOBYARD_URL: system.api.url },
  });

describe("jobyard timers", () => {
  it("lists timers with their next ticks, and all fields as JSON", async () => {
    const { code, stdout, stderr } = await timers();
    expect(code).toBe(0);
    expect(stderr).toBe('Warning: check the schedule of my.test.Odd. "jobyard timers show" gives the reason.\n');
    const [head, ...rows] = stdout.trimEnd().split("\n");
    expect(head).toMatch(/^timer +schedule +next +last +result +missed\/skipped$/);
    // A tick can come meanwhile.
    const next = String.raw`(?:in \d+ (?:h|min|s)|now|\d+ s ago)`;
    expect(rows[0]).toMatch(new RegExp(String.raw`^my\.test\.Fail +00:10:00 +${next} .*\S +\d+/\d+$`));
    const daily = String.raw`0 0 3 \* \* \* America/Argentina/Buenos_Aires`;
    expect(rows[2]).toMatch(new RegExp(String.raw`^my\.test\.Quick +${daily} +${next} `));
    const { items } = (await timers("list", "--json")).json<{ items: TimerView[] }>();
    expect(items).toMatchObject([{ timerName: "Fail" }, { timerName: "Odd" }, { timerName: "Quick" }]);
    expect((await timers("--limit", "1", "--json")).json<{ items: TimerView[] }>().items).toHaveLength(1);
  });

  it("shows warnings about a schedule, and so does publishing", async () => {
    expect((await timers("show", "my.test.Odd")).stdout).toMatch(
      /\n {2}warning +Cron .* does not run every 45 minutes/,
    );
    const file = join(desk.path, "odd.zip");
    await writeFile(file, testPackage({ jobs: { Odd: "" }, timers: [{ timerName: "Odd", cron: "* 10 * * * *" }] }));
    const env = { HOME: desk.path, JOBYARD_URL: system.api.url };
    const published = await runCliHere(["publish", file, "--tenant", freshTenant()], { env });
    expect(published.stderr).toMatch(/^Warning: Timer Odd: Cron "\* 10 \* \* \* \*" runs every second/);
    expect(published.code).toBe(0);
  });

  it("shows whether a near tick has been sent", async () => {
    const near = timerOf({ tenantName: freshTenant(), packageName: "my.test.zip", cron: "*/5 * * * * *" });
    const list = async (): Promise<string> => {
      const env = { HOME: desk.path, JOBYARD_URL: system.api.url };
      return (await runCliHere(["timers", "--tenant", near.tenantName], { env })).stdout;
    };
    await system.api.timers.write(near, undefined);
    expect(await list()).toMatch(/ not sent /);
    const { etag } = (await system.api.timers.get(near))!;
    await system.api.timers.write({ ...near, scheduledUpTo: new Date(Date.now() + 600_000) }, etag);
    expect(await list()).not.toContain("not sent");
    const shown = await runCliHere(["timers", "show", "my.test.Export", "--tenant", near.tenantName], {
      env: { HOME: desk.path, JOBYARD_URL: system.api.url },
    });
    expect(shown.stdout).toMatch(/sent +up to \d{4}-/);
  });

  it("pauses and resumes a timer", async () => {
    expect((await timers("pause", "my.test.Quick")).stdout).toMatch(/^my\.test\.Quick is paused since /);
    expect((await timers()).stdout).toMatch(/my\.test\.Quick .* paused +-/);
    expect((await timers("show", "my.test.Quick")).stdout).toMatch(/state +paused .* by local/);
    expect((await timers("resume", "my.test.Quick")).stdout).toMatch(/^my\.test\.Quick ticks next \d{4}-/);
  });

  it("overrides a schedule, shows the override, and removes it", async () => {
    const set = await timers("schedule", "my.test.Fail", "0 0 6 * * *", "--time-zone", "Europe/Vienna");
    expect(set.stdout).toMatch(/^my\.test\.Fail ticks by 0 0 6 \* \* \* Europe\/Vienna \(overridden\), next \d{4}-/);
    expect((await timers()).stdout).toMatch(/my\.test\.Fail +0 0 6 \* \* \* Europe\/Vienna \(overridden\)/);
    expect((await timers("show", "my.test.Fail")).stdout).toMatch(/declared +00:10:00, UTC; overridden .* by local/);
    expect((await timers("schedule", "my.test.Fail", "--declared")).stdout).toMatch(/ticks by 00:10:00, next/);
    expect((await timers("show", "my.test.Fail")).stdout).not.toContain("overridden");
    expect((await timers("schedule", "my.test.Fail")).code).toBe(2);
    expect((await timers("schedule", "my.test.Fail", "00:10:00", "--declared")).code).toBe(2);
  });

  it("lists the next ticks of a timer", async () => {
    const { items } = (await timers("next", "my.test.Quick", "--count", "3", "--json")).json<{ items: string[] }>();
    expect(items.map((instant) => instant.slice(11))).toEqual(Array.from({ length: 3 }, () => "06:00:00.000Z"));
    expect((await timers("next", "my.test.Fail", "-n", "2")).stdout.trimEnd().split("\n")).toHaveLength(3);
    expect((await timers("next", "my.test.Fail", "-n", "101")).code).toBe(2);
  });

  it("runs a timer now, and waits for the run with --wait", async () => {
    const good = await timers("run", "my.test.Quick", "--wait");
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('"trigger":"manual"') as string });
    const given = await timers("run", "my.test.Quick", "--parameters", '{"day":"2026-01-31"}', "--wait");
    expect(given.stdout).toContain('"parameters":{"day":"2026-01-31"}');
    expect((await timers("run", "my.test.Quick", "--parameters", "{day}")).code).toBe(2);
    const bad = await timers("run", "my.test.Fail", "--wait", "--json");
    expect([bad.code, bad.json<JobView>().failure?.message]).toEqual([5, "no good"]);
    const { jobId } = (await timers("run", "my.test.Quick", "--json")).json<{ jobId: string }>();
    expect((await system.until(jobId)).state).toBe("succeeded");
  });

  it("reports an error in a timer's name", async () => {
    expect(await timers("show", "Quick")).toMatchObject({
      code: 2,
      stderr: "Use the form package.timer, as in the list, not Quick.\n",
    });
    expect((await timers("run", "my.test.Nobody")).stderr).toContain("(TimerNotFound, request ");
    const help = await timers("run", "--help");
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("Examples:") as string });
  });
});
