import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Job } from "../../../runtime/core/job/job.ts";
import { sleep } from "../../../runtime/core/sleep.ts";
import { TERMINAL_STATES } from "../../../runtime/core/job/states.ts";
import type { Timer } from "../../../runtime/core/timer/timer.ts";
import { eventually, eventuallyTrue } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { createRecordedMetrics } from "../../support/recorded-metrics.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import { createTimerBench } from "../../support/timers/timer-bench.ts";

const tenant = freshTenant();
const recorded = createRecordedMetrics();
const { sum } = recorded;
let system: TestSystem;

const jobs = {
  Quick: `return { output: 1 };`,
  FailTwice: `if (job.attempt < 3) throw new Error("attempt " + job.attempt); return { output: job.attempt };`,
  AlwaysFails: `throw new Error("no luck");`,
  Hangs: `await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
  OnceInterrupted: `
    if (job.interruption > 0) return { output: "again" };
    await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
};

beforeAll(async () => {
  system = await startTestSystem({ metrics: recorded.metrics });
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
});
afterAll(() => system[Symbol.asyncDispose]());

const retry = { initialDelayMs: 20, jitter: 0 };
const count = (jobs: readonly Job[], of: (job: Job) => number): number => jobs.reduce((all, job) => all + of(job), 0);

describe("the metrics of a system", () => {
  it("metrics agree with the rows after jobs that succeeded, failed, were retried, interrupted and canceled", async () => {
    const submitted: string[] = [];
    const submit = async (type: string, fields: Record<string, unknown> = {}): Promise<string> => {
      const jobId = await system.submit(tenant, type, fields);
      submitted.push(jobId);
      return jobId;
    };
    {
      await using first = await system.startWorker({ slots: 2 });
      const interrupted = await submit("OnceInterrupted");
      await system.until(interrupted, ({ state }) => state === "running");
      expect(await sum("jobyard.worker.slots.used")).toBe(1);
      await first.drain(0);
    }
    await using worker = await system.startWorker({ slots: 3 });
    for (const type of ["Quick", "Quick", "FailTwice"]) await submit(type, { retry });
    await submit("AlwaysFails", { retry: { ...retry, maxAttempts: 2 }, priority: "high" });
    const delayed = await submit("Quick", { delayMs: 3_600_000 });
    expect((await system.api.post(`/v1/jobs/${delayed}/cancel`)).status).toBe(200);
    const hanging = await submit("Hangs");
    await system.until(hanging, ({ state }) => state === "running");
    await system.api.post(`/v1/jobs/${hanging}/cancel`);

    const jobs = await Promise.all(submitted.map((jobId) => system.until(jobId)));
    await eventually(() => expect(worker.runningCount).toBe(0));
    const ofTenant = { tenant };
    expect(await sum("jobyard.job.submitted", ofTenant)).toBe(jobs.length);
    for (const outcome of TERMINAL_STATES) {
      const ended = jobs.filter(({ state }) => state === outcome).length;
      expect(ended, `jobs that are ${outcome}`).toBeGreaterThan(0);
      expect(await sum("jobyard.job.ended", { tenant, outcome }), outcome).toBe(ended);
    }
    const entries = jobs.flatMap(({ history }) => history);
    expect(await sum("jobyard.job.attempts", ofTenant)).toBe(entries.length);
    for (const outcome of ["succeeded", "failed", "canceled", "interrupted"]) {
      const ended = entries.filter((entry) => entry.outcome === outcome).length;
      expect(await sum("jobyard.job.attempts", { tenant, outcome }), outcome).toBe(ended);
    }
    const interruptions = count(jobs, (job) => job.interruptions);
    expect(interruptions).toBe(1);
    expect(await sum("jobyard.job.interruptions", ofTenant)).toBe(interruptions);
    const failedForGood = jobs.filter(({ state }) => state === "failed").length;
    expect(await sum("jobyard.job.retries", ofTenant)).toBe(count(jobs, (job) => job.attempts) - failedForGood);
    expect(await sum("jobyard.job.ended", { tenant, priority: "high", type: "AlwaysFails" })).toBe(1);
  });

  it("a job that is taken over counts as such, with its interruption", async () => {
    await using short = await startTestSystem({ metrics: recorded.metrics, lockMs: 5_000 });
    const other = freshTenant();
    const jobs = {
      Long: `if (job.interruption === 0) await new Promise((end) => setTimeout(end, 30_000)); return {};`,
    };
    await short.publish(other, "test.zip", testPackage({ jobs }));
    const jobId = await short.submit(other, "Long");
    let hasReceived = false;
    // Its renewals are lost, so that another worker gets the message.
    await using cut = await short.startWorker({
      wrapQueue: (inner) => ({
        ...inner,
        receiver(queue) {
          const receiver = inner.receiver(queue);
          return {
            ...receiver,
            async receive(waitMs, maxCount) {
              // The message that it lost is for the other one.
              if (hasReceived) return sleep(50).then(() => []);
              const messages = await receiver.receive(waitMs, maxCount);
              hasReceived ||= messages.length > 0;
              return messages.map((message) => ({ ...message, renew: () => new Promise<number>(() => undefined) }));
            },
          };
        },
      }),
    });
    await short.until(jobId, ({ state }) => state === "running");
    await using worker = await short.startWorker();
    const job = await short.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", interruptions: 1 });
    expect(job.history.at(-1)?.workerId).toBe(worker.workerId);
    await eventually(() => expect(cut.runningCount).toBe(0));
    expect(await sum("jobyard.job.takeovers", { tenant: other })).toBe(1);
    expect(await sum("jobyard.job.interruptions", { tenant: other })).toBe(1);
    expect(await sum("jobyard.job.attempts", { tenant: other, outcome: "lost" })).toBe(1);
    expect(await sum("jobyard.lock.renewals", { outcome: "lost" })).toBeGreaterThan(0);
  });

  it("ticks are counted as the rows of their timers count them: started, late, missed and skipped", async () => {
    await using bench = createTimerBench(system);
    await using worker = await system.startWorker({ slots: 2 });
    const register = async (timerName: string, fields: Partial<Timer>) => {
      const owner = freshTenant();
      await system.publish(owner, "test.zip", testPackage({ jobs }));
      return { owner, ...(await bench.register({ tenantName: owner, timerName, ...fields })) };
    };
    const second = Math.floor(Date.now() / 1_000) * 1_000;
    const at = (seconds: number): Date => new Date(second + 1_000 * seconds);
    const inTime = { cron: "* * * * * *", graceMs: 300_000, activeFrom: at(-12) };
    const tooLate = { cron: "0 * * * * *", graceMs: 60_000, activeFrom: at(-3_600) };
    const minute = (count: number): Date => new Date((Math.floor(second / 60_000) - count) * 60_000);
    const of = async (owner: string): Promise<object> =>
      Object.fromEntries(
        (await recorded.values("jobyard.timer.runs"))
          .filter(({ attributes }) => attributes["tenant"] === owner)
          .map(({ attributes, value }) => [String(attributes["outcome"]), value] as const),
      );

    const hangs = await register("Hangs", inTime);
    const jobId = await hangs.tick(at(-10));
    await system.until(jobId, ({ state }) => state === "running");
    expect(await system.until(await hangs.tick(at(-9)))).toMatchObject({ failure: { code: "TimerSkipped" } });
    await system.api.post(`/v1/jobs/${jobId}/cancel`);
    await system.until(jobId);
    expect(await of(hangs.owner)).toEqual({ started: 1, skipped: (await hangs.run()).skippedCount });

    const once = await register("Quick", { ...tooLate, misfire: "once" });
    await system.until(await once.tick(minute(50)));
    expect(await of(once.owner)).toMatchObject({ late: 1, missed: (await once.run()).missedCount });

    const skips = await register("Quick", { ...tooLate, misfire: "skip" });
    await skips.tick(minute(50));
    const { missedCount } = await eventually(async () => {
      const run = await skips.run();
      expect(run.missedCount).toBeGreaterThan(0);
      return run;
    });
    await eventually(async () => expect(await of(skips.owner)).toEqual({ missed: missedCount }));
    await eventuallyTrue(() => worker.runningCount === 0);
  });

  it("requests are counted by the pattern of their route", async () => {
    const route = "/v1/jobs/{jobId}";
    const of = async (status: string): Promise<number> => {
      const points = await recorded.values("jobyard.api.requests");
      const found = points.find(({ attributes }) => attributes["route"] === route && attributes["status"] === status);
      return (found?.value as { readonly count: number } | undefined)?.count ?? 0;
    };
    const before = await of("404");
    await system.api.get(`/v1/jobs/${(await system.submit(tenant, "Quick")).replace(/.$/, "?")}`);
    await eventually(async () => expect(await of("404")).toBe(before + 1));
    await fetch(`${system.api.url}/made/up`);
    const routes = (await recorded.values("jobyard.api.requests")).map(({ attributes }) => attributes["route"]);
    expect(routes).not.toContain("/made/up");
  });
});
