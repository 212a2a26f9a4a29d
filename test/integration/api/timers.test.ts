/** Timers as the API shows, pauses, resumes and runs them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { TIMER_PARAMETERS_MAX_BYTES } from "../../../runtime/core/limits.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import { createServiceClock } from "../../../runtime/core/service-clock.ts";
import type { TimerView } from "../../../runtime/core/http/timer-api.ts";
import { batchIdOf, newTimerRun, type Timer, type TimerName } from "../../../runtime/core/timer/timer.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { timerOf } from "../../support/builders.ts";
import { claimAndEnd, claimRow } from "../../support/stores/row-moves.ts";
import type { Answer, TestApi } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const PACKAGE = "export.zip";
const JSON_TYPE = { "content-type": "application/json" };
let lab: ApiWithQueue;
let api: TestApi;
beforeAll(async () => {
  lab = await startApiWithQueue(["default", "big"]);
  ({ api } = lab);
});
afterAll(() => lab[Symbol.asyncDispose]());

const pathOf = ({ tenantName, packageName, timerName }: TimerName): string =>
  `/v1/tenants/${tenantName}/timers/${packageName}/${timerName}`;
const get = (timer: TimerName, below = ""): Promise<Answer> => api.get(`${pathOf(timer)}${below}`);
const viewOf = async (timer: TimerName): Promise<TimerView> => (await get(timer)).body as unknown as TimerView;
const itemsOf = ({ body }: Answer): readonly unknown[] => body.items;
const run = (timer: TimerName, key?: string): Promise<Answer> =>
  api.post(`${pathOf(timer)}/run`, {}, { ...JSON_TYPE, ...(key !== undefined && { "idempotency-key": key }) });

/** Of a package that is there and has its job. */
async function registered(fields: Partial<Timer> = {}): Promise<Timer> {
  const timer = timerOf({ tenantName: freshTenant(), packageName: PACKAGE, ...fields });
  await api.timers.write(timer, undefined);
  const facts = { sha256: "0".repeat(64), uploadedBy: "test", jobTypes: ["Export", "Another"] };
  await api.packages.upload(timer.tenantName, timer.packageName, testPackage({ jobs: {} }), facts);
  return timer;
}
const rowOf = async (timer: TimerName): Promise<Timer> => (await api.timers.get(timer))!.value;

describe("a timer", () => {
  it("is shown as it was declared, before it has run", async () => {
    const timer = await registered({ cron: "0 30 2 * * *", timeZone: "Europe/Vienna", misfire: { all: 3 } });
    const { next, ...view } = await viewOf(timer);
    expect(view).toEqual({
      ...{ tenantName: timer.tenantName, packageName: PACKAGE, timerName: "Export" },
      ...{ listener: `${timer.tenantName}.export.Export`, batchId: batchIdOf(timer), enabled: true },
      ...{ cron: "0 30 2 * * *", timeZone: "Europe/Vienna", misfire: { all: 3 }, overlap: "skip", graceSeconds: 60 },
      ...{ runOnDeploy: false, pool: "default", priority: "normal", isRunning: false, fence: 0 },
      ...{ missedCount: 0, skippedCount: 0, waitingCount: 0 },
    });
    expect(new Date(next!).getTime()).toBeGreaterThan(Date.now());
  });

  it("is shown with its latest run, as that goes on and when it has ended", async () => {
    const timer = await registered();
    const { jobId, batchId } = (await run(timer)).body;
    const at = new Date("2026-03-01T08:00:00Z");
    const counts = { fence: 5, skippedCount: 1, missedCount: 2, waitingJobIds: ["a", "b"] };
    const times = { lastScheduledAt: at, lastSkippedAt: at, lastMissedAt: at };
    const row = { ...newTimerRun(batchId), ...counts, ...times, currentJobId: jobId };
    expect((await api.timers.writeRun(row, undefined)).written).toBe(true);
    expect(await viewOf(timer)).toMatchObject({ lastResult: "queued", lastJobId: jobId, isRunning: false });
    await claimRow(api.jobs, jobId);
    const running = await viewOf(timer);
    const job = (await api.jobs.get(jobId))!.value;
    expect(running).toMatchObject({ isRunning: true, lastResult: "running", lastWorkerId: job.claim!.workerId });
    expect(running.lastStartedAt).toBe(job.startedAt!.toISOString());
    expect(running.lastFinishedAt).toBeUndefined();

    const again = (await run(timer)).body.jobId;
    await claimAndEnd(api.jobs, again, "failed");
    const stored = (await api.timers.run(batchId))!;
    await api.timers.writeRun({ ...stored.value, currentJobId: again }, stored.etag);
    const ended = await viewOf(timer);
    const instant = at.toISOString();
    expect(ended).toMatchObject({
      ...{ isRunning: false, lastResult: "failed", lastJobId: again, lastScheduledAt: instant, fence: 5 },
      ...{ missedCount: 2, lastMissedAt: instant, skippedCount: 1, lastSkippedAt: instant, waitingCount: 2 },
    });
    expect(ended.lastFinishedAt).toBe((await api.jobs.get(again))!.value.endedAt!.toISOString());
  });

  it("is listed with those of its tenant, page by page, by package and name", async () => {
    const tenantName = freshTenant();
    for (const [packageName, timerName] of [
      ["b.zip", "A"],
      ["a.zip", "C"],
      ["a.zip", "B"],
    ] as const) {
      await registered({ tenantName, packageName, timerName });
    }
    await registered();
    const path = `/v1/tenants/${tenantName}/timers?pageSize=2`;
    const first = await api.get(path);
    const second = await api.get(`${path}&continuationToken=${first.body.continuationToken!}`);
    expect([...itemsOf(first), ...itemsOf(second)]).toMatchObject([
      { packageName: "a.zip", timerName: "B" },
      { packageName: "a.zip", timerName: "C" },
      { packageName: "b.zip", timerName: "A" },
    ]);
    expect(second.body.continuationToken).toBeUndefined();
  });

  it("is not there under another name, and names no timer can have are not there either", async () => {
    const timer = await registered();
    for (const other of [
      { timerName: "Other" },
      { packageName: "other.zip" },
      { timerName: "a.b" },
      { timerName: "~" },
    ]) {
      expect(await get({ ...timer, ...other })).toMatchObject({
        status: 404,
        body: { error: { code: "TimerNotFound" } },
      });
    }
    expect((await get({ ...timer, packageName: "export" })).status).toBe(400);
  });

  it("with a schedule this version cannot read hides no other", async () => {
    const { tenantName } = await registered({ timerName: "Broken", cron: "later" });
    await registered({ tenantName, timerName: "Sound" });
    const items = itemsOf(await api.get(`/v1/tenants/${tenantName}/timers`)) as readonly TimerView[];
    expect(items.map(({ timerName, next, warnings }) => [timerName, next !== undefined, warnings?.[0]])).toEqual([
      ["Broken", false, expect.stringMatching(/^It does not tick\. Cron "later" must have six fields/)],
      ["Sound", true, undefined],
    ]);
  });

  it("a misspelled schedule gets a suggestion", async () => {
    const odd = await registered({ cron: "0 */45 * * * *", timeZone: "Etc/GMT+2" });
    expect((await viewOf(odd)).warnings).toEqual([
      expect.stringContaining("does not run every 45 minutes"),
      expect.stringContaining("2 hours behind UTC"),
    ]);
    expect(await viewOf(await registered())).not.toHaveProperty("warnings");
  });
});

describe("the next ticks", () => {
  it("are those of the schedule in its zone, also over a change of the clocks", async () => {
    const now = new Date("2026-03-28T12:00:00Z");
    const later = await lab.another({ now: () => now });
    const timer = await registered({ cron: "0 30 2 * * *", timeZone: "Europe/Vienna" });
    const answer = await later.get(`${pathOf(timer)}/next?count=3`);
    expect(itemsOf(answer)).toEqual([
      "2026-03-29T01:30:00.000Z",
      "2026-03-30T00:30:00.000Z",
      "2026-03-31T00:30:00.000Z",
    ]);
  });

  it("lists ten ticks, or the requested number, also while the timer is paused", async () => {
    const timer = await registered();
    await api.post(`${pathOf(timer)}/pause`);
    expect(itemsOf(await get(timer, "/next"))).toHaveLength(10);
    expect(itemsOf(await get(timer, "/next?count=100"))).toHaveLength(100);
    for (const count of ["0", "101", "x", "1.5"]) {
      const { status, body } = await get(timer, `/next?count=${count}`);
      expect([count, status, body.error.target]).toEqual([count, 400, "count"]);
    }
  });

  it("are as many as there are within reach", async () => {
    const timer = await registered({ cron: "0 0 0 29 2 Mon", timeZone: "America/New_York" });
    const items = itemsOf(await get(timer, "/next?count=100"));
    expect(items.length).toBeGreaterThan(0);
    expect(items.length).toBeLessThan(3);
  });
});

describe("another schedule than the package declares", () => {
  it("a new schedule applies from now on, and the declared one after a reset", async () => {
    let wakes = 0;
    let now = new Date("2026-03-05T08:00:00Z");
    const later = await lab.another({ now: () => now, wakeScheduler: () => (wakes += 1) });
    const timer = await registered({ scheduledUpTo: new Date("2026-03-05T08:10:00Z") });
    const set = await later.put(`${pathOf(timer)}/schedule`, { cron: "0 0 6 * * *", timeZone: "Europe/Vienna" });
    expect(set.body).toMatchObject({
      ...{ cron: "0 0 6 * * *", timeZone: "Europe/Vienna", next: "2026-03-06T05:00:00.000Z" },
      override: { declaredCron: timer.cron, declaredTimeZone: "UTC", setAt: now.toISOString(), setBy: "local" },
    });
    expect(await rowOf(timer)).toMatchObject({ activeFrom: now, scheduledUpTo: now });
    now = new Date("2026-03-05T09:00:00Z");
    await later.put(`${pathOf(timer)}/schedule`, { cron: "0 0 6 * * *", timeZone: "Europe/Vienna" });
    expect((await rowOf(timer)).activeFrom).not.toEqual(now);
    const reset = await later.delete(`${pathOf(timer)}/schedule`);
    expect(reset.body).toMatchObject({ cron: timer.cron, timeZone: "UTC", next: "2026-03-05T09:01:00.000Z" });
    expect(await rowOf(timer)).toEqual({ ...timer, activeFrom: now, scheduledUpTo: now });
    expect(wakes).toBe(3);
  });

  it.each([
    [{ cron: "0 60 * * * *" }, "cron"],
    [{ cron: "0 0 6 * * *", timeZone: "Nowhere/City" }, "timeZone"],
    [{}, "cron"],
  ])("is refused by field when it cannot be: %j", async (schedule, target) => {
    const timer = await registered();
    const refused = await api.put(`${pathOf(timer)}/schedule`, schedule);
    expect(refused).toMatchObject({ status: 400, body: { error: { details: [{ target }] } } });
    expect(await rowOf(timer)).toEqual(timer);
  });
});

describe("pausing", () => {
  it("a paused timer keeps who paused it first, and has no next tick", async () => {
    const timer = await registered();
    const paused = await api.post(`${pathOf(timer)}/pause`);
    expect(paused).toMatchObject({ status: 200, body: { enabled: false, pausedBy: "local" } });
    expect(paused.body).not.toHaveProperty("next");
    const { pausedAt } = await rowOf(timer);
    expect((await api.post(`${pathOf(timer)}/pause`)).body).toMatchObject({ pausedAt: pausedAt!.toISOString() });
    expect(await rowOf(timer)).toMatchObject({ pausedAt, activeFrom: timer.activeFrom });
  });

  it("a resumed timer ticks from now on, and its scheduler is woken", async () => {
    let wakes = 0;
    const now = new Date("2026-03-05T08:00:00Z");
    const later = await lab.another({ now: () => now, wakeScheduler: () => (wakes += 1) });
    const timer = await registered();
    await later.post(`${pathOf(timer)}/pause`);
    expect(wakes).toBe(0);
    const resumed = await later.post(`${pathOf(timer)}/resume`);
    expect(resumed.body).toMatchObject({ enabled: true, next: "2026-03-05T08:01:00.000Z" });
    expect(resumed.body).not.toHaveProperty("pausedBy");
    expect(await rowOf(timer)).toMatchObject({ activeFrom: now, scheduledUpTo: timer.scheduledUpTo });
    expect(wakes).toBe(1);
  });

  it("is ended by no instance with a wrong clock, and the timer stays as it is", async () => {
    const clock = createServiceClock({ now: () => new Date("2026-03-05T11:00:00Z"), monotonicNow: () => 0 });
    clock.hear("Thu, 05 Mar 2026 08:00:00 GMT");
    const wrong = await lab.another({ trustedNow: clock.trustedNow });
    const timer = await registered({ pausedAt: new Date("2026-03-05T07:00:00Z"), pausedBy: "ann" });
    expect(await wrong.post(`${pathOf(timer)}/resume`)).toMatchObject({
      ...{ status: 503, body: { error: { code: "ClockWrong" } } },
    });
    expect(await rowOf(timer)).toEqual(timer);
  });

  it("or ticking, a timer with times that only a wrong clock can have written is put right by resuming it", async () => {
    const now = new Date("2026-03-05T08:00:00Z");
    const far = new Date("2027-03-05T08:00:00Z");
    const later = await lab.another({ now: () => now });
    const timer = await registered({ activeFrom: far, scheduledUpTo: far });
    expect((await later.get(pathOf(timer))).body).not.toHaveProperty("sentUpTo");
    await later.post(`${pathOf(timer)}/resume`);
    expect(await rowOf(timer)).toMatchObject({ activeFrom: now, scheduledUpTo: now });
  });

  it("does not move a timer that ticks", async () => {
    const timer = await registered();
    await api.post(`${pathOf(timer)}/resume`);
    expect(await rowOf(timer)).toEqual(timer);
  });

  it("is decided anew when the row was written meanwhile, or its write was answered as lost", async () => {
    const timer = await registered();
    const scheduledUpTo = new Date("2026-03-01T09:00:00Z");
    let meanwhile = 2;
    const write = async (inner: TimerStore, ...[changed, etag]: Parameters<TimerStore["write"]>) => {
      const stored = (await inner.get(timer))!;
      if (meanwhile-- > 0) await inner.write({ ...stored.value, scheduledUpTo }, stored.etag);
      const result = await inner.write(changed, etag);
      // The answer to the one that lands is lost: what is read then has it.
      return result.written ? { written: false as const, current: await inner.get(timer) } : result;
    };
    const contended = await lab.another({
      wrapTimers: (inner) => ({ ...inner, write: (...given) => write(inner, ...given) }),
    });
    expect((await contended.post(`${pathOf(timer)}/pause`)).status).toBe(200);
    expect(await rowOf(timer)).toMatchObject({ pausedBy: "local", scheduledUpTo });
  });

  it("meets a timer that was removed meanwhile as one that is not there", async () => {
    const timer = await registered();
    const removing = await lab.another({
      wrapTimers: (inner) => ({
        ...inner,
        async write(changed, etag) {
          await inner.remove(timer, etag!);
          return inner.write(changed, etag);
        },
      }),
    });
    expect((await removing.post(`${pathOf(timer)}/pause`)).body.error.code).toBe("TimerNotFound");
  });
});

describe("running it now", () => {
  it("submits a job as its ticks do, in its batch, with its bell, also while it is paused", async () => {
    const timer = await registered({ priority: "high" });
    await api.post(`${pathOf(timer)}/pause`);
    const before = Date.now();
    const { status, headers, body } = await run(timer);
    expect([status, headers.get("location")]).toEqual([201, `/v1/jobs/${body.jobId}`]);
    const job = (await api.get(`/v1/jobs/${body.jobId}`)).body;
    expect(job).toMatchObject({
      ...{ batchId: batchIdOf(timer), jobType: "Export", jobName: "Export", jobProcessorPackageName: PACKAGE },
      ...{ state: "queued", submittedBy: "local", pool: "default", priority: "high" },
      parameters: { trigger: "manual", missedCount: 0 },
    });
    const { scheduledAt } = job.parameters as { scheduledAt: string };
    expect(new Date(scheduledAt).getTime()).toBeGreaterThanOrEqual(before);
    expect(await lab.bellIdsOf(body.jobId, "jobs-default-high")).toEqual([`${body.jobId}:1`]);
    expect((await api.get(`/v1/batches/${body.batchId}`)).body).toMatchObject({
      ...{ batchName: "timer:Export", state: "open", createdBy: "timer" },
    });
  });

  it("gives its code parameters of the caller, beside what the run is told, and none that look like a tick's", async () => {
    const timer = await registered();
    const given = async (parameters: unknown) => {
      const { body } = await api.post(`${pathOf(timer)}/run`, { parameters });
      return (await api.get(`/v1/jobs/${body.jobId}`)).body.parameters;
    };
    for (const parameters of [
      { day: "2026-01-31" },
      null,
      { trigger: "schedule", scheduledAt: "2030-01-31T08:00:00Z" },
    ]) {
      expect(await given(parameters)).toMatchObject({ trigger: "manual", missedCount: 0, parameters });
    }
    const large = "x".repeat(TIMER_PARAMETERS_MAX_BYTES - 2);
    expect(await given(large)).toMatchObject({ parameters: large });
    const tooLarge = await api.post(`${pathOf(timer)}/run`, { parameters: `${large}x` });
    expect(tooLarge).toMatchObject({ status: 413, body: { error: { code: "PayloadTooLarge", target: "parameters" } } });
    expect((await api.post(`${pathOf(timer)}/run`, { params: 1 })).body.error.code).toBe("InvalidRequest");
  });

  it("makes the newest run the first of its batch", async () => {
    const timer = await registered();
    const first = (await run(timer)).body;
    await new Promise((resolve) => setTimeout(resolve, 2));
    const second = (await run(timer)).body;
    const jobs = itemsOf(await api.get(`/v1/batches/${first.batchId}/jobs`));
    expect(jobs).toMatchObject([{ jobId: second.jobId }, { jobId: first.jobId }]);
  });

  it("may be repeated with its key, which no other request may use", async () => {
    const timer = await registered();
    const other = await registered({ tenantName: timer.tenantName, timerName: "Another" });
    const first = await run(timer, "night-7");
    const again = await run(timer, "night-7");
    expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([201, 200, "true"]);
    expect(again.body.jobId).toBe(first.body.jobId);
    expect((await run(other, "night-7")).body.error.code).toBe("IdempotencyKeyReused");
    expect((await run(timer)).body.jobId).not.toBe(first.body.jobId);
    const withParameters = (parameters: unknown) =>
      api.post(`${pathOf(timer)}/run`, { parameters }, { ...JSON_TYPE, "idempotency-key": "night-8" });
    const { jobId } = (await withParameters(1)).body;
    expect((await withParameters(1)).body.jobId).toBe(jobId);
    expect((await withParameters(2)).body.error.code).toBe("IdempotencyKeyReused");
  });

  it("a repeated run uses the same job when the first stopped before its row", async () => {
    const timer = await registered();
    let away = true;
    const ids: string[] = [];
    const breaking = await lab.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        insert(job) {
          ids.push(job.jobId);
          return away ? Promise.reject(new UnavailableError("StorageUnavailable", "away")) : jobs.insert(job);
        },
      }),
    });
    const post = () => breaking.post(`${pathOf(timer)}/run`, {}, { ...JSON_TYPE, "idempotency-key": "once" });
    expect((await post()).status).toBe(503);
    away = false;
    const { status, body } = await post();
    expect([status, ids]).toEqual([201, [body.jobId, body.jobId]]);
    expect(await lab.bellIdsOf(body.jobId)).toHaveLength(1);
  });

  it("goes to the pool the timer has now", async () => {
    const timer = await registered();
    await run(timer);
    const stored = (await api.timers.get(timer))!;
    await api.timers.write({ ...stored.value, pool: "big" }, stored.etag);
    const { jobId } = (await run(timer)).body;
    expect((await api.get(`/v1/jobs/${jobId}`)).body.pool).toBe("big");
    expect(await lab.bellIdsOf(jobId, "jobs-big-normal")).toHaveLength(1);
  });

  it("is refused as not found when the package is gone, or its current version has no such job", async () => {
    const timer = await registered();
    const facts = { sha256: "1".repeat(64), uploadedBy: "test", jobTypes: ["Other"] };
    await api.packages.upload(timer.tenantName, PACKAGE, testPackage({ jobs: {} }), facts);
    expect((await run(timer)).body.error.code).toBe("TimerNotFound");
    await api.packages.remove(timer.tenantName, PACKAGE);
    expect((await run(timer)).body.error.code).toBe("TimerNotFound");
  });
});

describe("the batch of a timer", () => {
  it("takes no jobs of others and does not end, but its runs can be canceled and requeued", async () => {
    const timer = await registered();
    const { batchId, jobId } = (await run(timer)).body;
    const job = { tenantName: timer.tenantName, jobType: "A", jobName: "A", jobProcessorPackageName: PACKAGE };
    const line = `${JSON.stringify(job)}\n`;
    const refused = await Promise.all([
      api.post("/v1/jobs", { ...job, batchId }),
      api.post("/v1/jobs/bulk", { batchId, jobs: [job] }),
      api.post(`/v1/jobs/bulk?batchId=${batchId}`, line, { "content-type": "application/x-ndjson" }),
      api.post(`/v1/batches/${batchId}/close`),
      api.post(`/v1/batches/${batchId}/cancel`),
    ]);
    expect(refused.map(({ status, body }) => [status, body.error.code])).toEqual(
      refused.map(() => [409, "BatchOfTimer"]),
    );
    expect((await api.post(`/v1/jobs/${jobId}/cancel`)).status).toBe(200);
    expect((await api.post(`/v1/batches/${batchId}/requeue`, { state: "canceled" })).body).toEqual({ requeued: 1 });
  });
});
