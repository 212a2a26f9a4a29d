import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobServiceClient, type TimerReference } from "../../../runtime/client/index.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { timerOf } from "../../support/builders.ts";
import { startHttpFaultProxy } from "../../support/network/fault-proxy.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi(letterQueue().queue);
});
afterAll(() => api[Symbol.asyncDispose]());

async function registered(tenantName = freshTenant(), timerName = "Export"): Promise<TimerReference> {
  const timer = { tenantName, packageName: "export.zip", timerName };
  await api.packages.upload(tenantName, timer.packageName, testPackage({ jobs: {} }));
  await api.timers.write(timerOf(timer), undefined);
  return timer;
}

describe("client.timers", () => {
  it("lists a tenant's timers over several pages", async () => {
    const { tenantName } = await registered(undefined, "C");
    for (const name of ["A", "D", "B"]) await registered(tenantName, name);
    const { timers } = new JobServiceClient(api.url);
    const names: string[] = [];
    for await (const { timerName } of timers.list(tenantName, { pageSize: 3 })) names.push(timerName);
    expect(names).toEqual(["A", "B", "C", "D"]);
    const sizes: number[] = [];
    for await (const { items } of timers.list(tenantName, { pageSize: 3 }).pages()) sizes.push(items.length);
    expect(sizes).toEqual([3, 1]);
  });

  it("reads, pauses and resumes a timer, and lists its next ticks", async () => {
    const timer = await registered();
    const { timers } = new JobServiceClient(api.url);
    expect(await timers.get(timer)).toMatchObject({ ...timer, enabled: true });
    expect(await timers.pause(timer)).toMatchObject({ enabled: false });
    expect(await timers.pause(timer)).toMatchObject({ enabled: false });
    const ticks = await timers.next(timer, { count: 3 });
    expect(ticks.map((tick) => tick.getTime() % 60_000)).toEqual([0, 0, 0]);
    expect(await timers.next(timer)).toHaveLength(10);
    expect(await timers.resume(timer)).toMatchObject({ enabled: true });
    const schedule = { cron: "0 0 3 * * *", timeZone: "Europe/Vienna" };
    const override = { declaredCron: "0 * * * * *", declaredTimeZone: "UTC", setBy: "local" };
    expect(await timers.setSchedule(timer, schedule)).toMatchObject({ ...schedule, override });
    expect(await timers.setSchedule(timer, { cron: "00:10:00" })).toMatchObject({ cron: "00:10:00", override });
    const declared = await timers.resetSchedule(timer);
    expect(declared).toMatchObject({ cron: "0 * * * * *", timeZone: "UTC" });
    expect(declared).not.toHaveProperty("override");
    await expect(timers.setSchedule(timer, { cron: "0 60 * * * *" })).rejects.toMatchObject({ code: "InvalidRequest" });
    await expect(timers.get({ ...timer, timerName: "Other" })).rejects.toMatchObject({ code: "TimerNotFound" });
  });

  it("runs a timer once for one call, also when a response is lost", async () => {
    await using proxy = await startHttpFaultProxy(api.url);
    const timer = await registered();
    const { timers, monitoring } = new JobServiceClient(proxy.url, {
      retry: { firstDelayMs: 5, maxDelayMs: 50, maxAttempts: 3 },
    });
    let lost = 0;
    proxy.decide = ({ method }) => (method === "POST" && lost++ === 0 ? "lose" : "pass");
    const jobId = await timers.run(timer);
    const { batchId } = await timers.get(timer);
    const jobs = [];
    for await (const job of monitoring.getJobsFromBatch(batchId)) jobs.push(job.jobId);
    expect(jobs).toEqual([jobId]);
    expect(await timers.run(timer, { idempotencyKey: "a" })).toBe(await timers.run(timer, { idempotencyKey: "a" }));
  });
});
