import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Timer } from "../../../runtime/core/timer/timer.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";
import { createTimerBench, type BenchTimer, type TimerBench } from "../../support/timers/timer-bench.ts";
import { eventuallyFound } from "../../support/eventually.ts";

let system: TestSystem;
let bench: TimerBench;
let worker: TestWorker;
/** Runs leave word here that they have begun, and wait here to be let go. */
let place: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  place = await temporaryDirectory();
  system = await startTestSystem();
  bench = createTimerBench(system);
  worker = await system.startWorker({ slots: 4 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const untilLetGo = () =>
  `while (!fs.existsSync(${JSON.stringify(place.path)} + "/go-" + job.jobId)) await new Promise((go) => setTimeout(go, 20));`;
const bodies = () => ({
  Quick: `return { output: { fence: job.fence, ...job.parameters } };`,
  Once: `if (job.attempt === 1) throw new Error("the first time"); ${untilLetGo()} return { output: job.fence };`,
  Waits: `fs.writeFileSync(${JSON.stringify(place.path)} + "/begun-" + job.jobId, "");
    ${untilLetGo()}
    return { output: { fence: job.fence } };`,
});
const hasBegun = (jobId: string): boolean => existsSync(join(place.path, `begun-${jobId}`));
const begun = (jobId: string) => eventuallyFound(() => hasBegun(jobId));
const letGo = (jobId: string): void => writeFileSync(join(place.path, `go-${jobId}`), "");
const outputOf = (output: string | undefined) => JSON.parse(output ?? "null") as Record<string, unknown>;

/** Ticks every second; a package and a tenant of its own. */
async function timer(timerName: "Quick" | "Once" | "Waits", fields: Partial<Timer> = {}): Promise<BenchTimer> {
  const tenantName = freshTenant();
  await system.publish(tenantName, "test.zip", testPackage({ jobs: bodies() }));
  return bench.register({ tenantName, timerName, cron: "* * * * * *", activeFrom: base(-1), ...fields });
}
const START = Math.floor(Date.now() / 1_000) * 1_000;
/** A few seconds ago, and so many after that: due at once, and in time. */
const base = (seconds: number): Date => new Date(START - 10_000 + seconds * 1_000);
const GRACE = { graceMs: 300_000 };

describe("a tick", () => {
  it("a tick runs its job once, however often it comes", async () => {
    const quick = await timer("Quick", GRACE);
    const jobId = await quick.tick(base(0));
    await quick.tick(base(0));
    await quick.tick(base(0), { again: true });
    const job = await system.until(jobId);
    expect(job).toMatchObject({
      state: "succeeded",
      executions: 1,
      jobName: "Quick",
      submittedBy: "timer",
      pool: "default",
    });
    const { fence, ...facts } = outputOf(job.output);
    // Whoever comes to the gate with another message of the same run has a number of its own.
    expect([1, 2]).toContain(fence);
    expect(facts).toEqual({
      trigger: "schedule",
      scheduledAt: base(0).toISOString(),
      missedCount: 0,
    });
    const next = await system.until(await quick.tick(base(1)));
    expect(outputOf(next.output)["fence"]).toBeGreaterThan(fence as number);
    expect((await quick.job(jobId))!.executions).toBe(1);
    expect(await quick.run()).toMatchObject({
      currentJobId: next.jobId,
      coveredUpTo: base(1),
      lastScheduledAt: base(1),
      skippedCount: 0,
      missedCount: 0,
    });
    const batch = await system.api.get(`/v1/batches/${job.batchId}`);
    expect(batch.body).toMatchObject({ batchName: "timer:Quick", state: "open", counts: { succeeded: 2, total: 2 } });
  });

  it("a run keeps its timer through a retry and gets a larger fence", async () => {
    const once = await timer("Once", GRACE);
    const jobId = await once.tick(base(0));
    await eventuallyFound(async () => (await once.job(jobId))?.attempts === 1);
    const skipped = await system.until(await once.tick(base(1)));
    expect(skipped).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" }, executions: 0 });
    expect(skipped.failure?.message).toContain(jobId);
    letGo(jobId);
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", attempts: 1, executions: 2, output: "2" });
  });

  it("an unreadable tick is dead-lettered without a job, and the timer goes on", async () => {
    const quick = await timer("Quick", GRACE);
    await quick.poison();
    const job = await system.until(await quick.tick(base(0)));
    expect(job.state).toBe("succeeded");
    const letters = async () => (await system.api.get("/v1/dead-letters?poison=true")).body.items;
    const letter = await eventuallyFound(async () =>
      (await letters()).find(({ reason }) => reason === "MalformedMessage"),
    );
    expect(letter).not.toHaveProperty("jobId");
  });

  it("a failed run leaves a dead letter that names its job and can be removed", async () => {
    const tenantName = freshTenant();
    const zip = testPackage({ jobs: { Fails: `throw nonRetryable("no luck");` } });
    await system.publish(tenantName, "test.zip", zip);
    const fails = await bench.register({
      ...{ tenantName, timerName: "Fails", cron: "* * * * * *", activeFrom: base(-1), ...GRACE },
    });
    const jobId = await fails.tick(base(0));
    expect(await system.until(jobId)).toMatchObject({ state: "failed", failure: { message: "no luck" } });
    const letter = await eventuallyFound(async () => {
      const { body } = await system.api.get(`/v1/dead-letters?tenantName=${tenantName}`);
      return body.items[0];
    });
    expect(letter).toMatchObject({ jobId, jobType: "Fails", reason: "JobFailed", description: "no luck" });
    expect(await system.until(await fails.tick(base(1)))).toMatchObject({ state: "failed" });
  });

  it("a tick without a timer is completed and leaves no row", async () => {
    const gone = await timer("Quick", GRACE);
    const stored = (await bench.timers.get(gone.timer))!;
    await bench.timers.remove(gone.timer, stored.etag);
    const paused = await timer("Quick", { ...GRACE, pausedAt: new Date(), pausedBy: "ada" });
    const changed = await timer("Quick", GRACE);
    await changed.change({ cron: "*/2 * * * * *" });
    const resumed = await timer("Quick", { ...GRACE, activeFrom: base(5) });
    const ids = [];
    for (const one of [gone, paused, changed, resumed]) ids.push(await one.tick(base(2)));
    const quick = await timer("Quick", GRACE);
    await system.until(await quick.tick(base(0)));
    await noMessages();
    for (const [index, one] of [gone, paused, changed, resumed].entries()) {
      expect(await one.job(ids[index]!)).toBeUndefined();
      expect(await one.run()).toMatchObject({ fence: 0, missedCount: 0, coveredUpTo: undefined });
    }
  });
});

async function noMessages(): Promise<void> {
  const queue = system.queue();
  const name = "jobs-default-normal";
  await eventuallyFound(async () => (await queue.peek(name, { deadLetter: false, maxCount: 10 })).length === 0);
}

describe("a tick that comes while a run of its timer is alive", () => {
  it("a tick during a run is recorded as skipped, and the next one runs", async () => {
    const waits = await timer("Waits", GRACE);
    const first = await waits.tick(base(0));
    await begun(first);
    const second = await system.until(await waits.tick(base(1)));
    expect(second).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" }, executions: 0 });
    expect(await waits.run()).toMatchObject({ skippedCount: 1, currentJobId: first, coveredUpTo: base(1) });
    letGo(first);
    await system.until(first);
    const third = await waits.tick(base(2));
    await begun(third);
    letGo(third);
    expect(outputOf((await system.until(third)).output)).toEqual({ fence: 2 });
  });

  it("one tick waits for the end of a run, and a third one is skipped", async () => {
    const waits = await timer("Waits", { ...GRACE, overlap: "queue" });
    const first = await waits.tick(base(0));
    await begun(first);
    const second = await waits.tick(base(1));
    await eventuallyFound(async () => (await waits.run()).waitingJobIds.includes(second));
    const third = await system.until(await waits.tick(base(2)));
    expect(third).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" } });
    expect(await waits.job(second)).toMatchObject({ state: "queued", executions: 0 });
    letGo(first);
    await begun(second);
    expect(await waits.run()).toMatchObject({ currentJobId: second, waitingJobIds: [], skippedCount: 1 });
    letGo(second);
    // Both its tick and the message that the first run's end sent may come to the gate, each with a number of its own.
    expect(outputOf((await system.until(second)).output)["fence"]).toBeGreaterThan(1);
  });

  it("a waiting run can be canceled, and another one waits then", async () => {
    const waits = await timer("Waits", { ...GRACE, overlap: "queue" });
    const first = await waits.tick(base(0));
    await begun(first);
    const second = await waits.tick(base(1));
    await eventuallyFound(async () => (await waits.run()).waitingJobIds.includes(second));
    expect((await system.api.post(`/v1/jobs/${second}/cancel`)).status).toBe(200);
    const third = await waits.tick(base(2));
    await eventuallyFound(async () => (await waits.run()).waitingJobIds.includes(third));
    letGo(third);
    letGo(first);
    expect(await system.until(third)).toMatchObject({ state: "succeeded" });
    expect((await waits.job(second))!.failure).toBeUndefined();
  });

  it('ticks of a timer with overlap "allow" run side by side', async () => {
    const waits = await timer("Waits", { ...GRACE, overlap: "allow" });
    const ids = [await waits.tick(base(0)), await waits.tick(base(1))];
    for (const id of ids) await begun(id);
    for (const id of ids) letGo(id);
    const fences = [];
    for (const id of ids) fences.push(outputOf((await system.until(id)).output)["fence"]);
    expect(fences.toSorted()).toEqual([1, 2]);
  });

  it("a requeued run is skipped while another one runs, and runs when it is requeued later", async () => {
    const waits = await timer("Waits", GRACE);
    const first = await waits.tick(base(0));
    letGo(first);
    await system.until(first);
    const second = await waits.tick(base(1));
    await begun(second);
    await system.api.post(`/v1/jobs/${first}/requeue`);
    const skipped = await system.until(first, ({ ring, state }) => ring === 2 && state !== "queued");
    expect(skipped).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" }, executions: 1 });
    letGo(second);
    await system.until(second);
    await system.api.post(`/v1/jobs/${first}/requeue`);
    const again = await system.until(
      first,
      ({ ring, state }) => ring === 3 && state !== "queued" && state !== "running",
    );
    expect(again).toMatchObject({ state: "succeeded", executions: 2 });
    expect(outputOf(again.output)).toEqual({ fence: 3 });
  });

  it("a manual run is skipped as others are, and covers no tick", async () => {
    const waits = await timer("Waits", GRACE);
    const asked = await waits.runNow();
    await begun(asked);
    const tick = await system.until(await waits.tick(base(0)));
    expect(tick).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" } });
    const another = await system.until(await waits.runNow());
    expect(another).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" } });
    letGo(asked);
    expect(outputOf((await system.until(asked)).output)).toEqual({ fence: 1 });
    expect(await waits.run()).toMatchObject({ coveredUpTo: base(0), lastScheduledAt: undefined, skippedCount: 2 });
  });
});

describe("ticks that come too late", () => {
  const minute = (count: number): Date => new Date(Math.floor(START / 60_000) * 60_000 - 3_600_000 + count * 60_000);
  const late = { cron: "0 * * * * *", graceMs: 60_000, activeFrom: minute(0) };

  it('late ticks with misfire "once" run once, and the run knows what was missed', async () => {
    const quick = await timer("Quick", late);
    const first = await quick.tick(minute(1));
    const output = outputOf((await system.until(first)).output);
    expect(output).toMatchObject({ scheduledAt: minute(1).toISOString(), firstMissedAt: minute(2).toISOString() });
    const missedCount = output["missedCount"] as number;
    expect(missedCount).toBeGreaterThanOrEqual(58);
    const ids = [await quick.tick(minute(2)), await quick.tick(minute(30))];
    await noMessages();
    for (const id of ids) expect(await quick.job(id)).toBeUndefined();
    expect(await quick.run()).toMatchObject({ missedCount, fence: 1 });
  });

  it('late ticks with misfire "skip" are counted as missed', async () => {
    const quick = await timer("Quick", { ...late, misfire: "skip" });
    const id = await quick.tick(minute(10));
    const run = await eventuallyFound(async () => {
      const now = await quick.run();
      return now.missedCount > 0 ? now : undefined;
    });
    expect(run.missedCount).toBeGreaterThanOrEqual(58);
    expect(run.fence).toBe(0);
    await noMessages();
    expect(await quick.job(id)).toBeUndefined();
  });

  it('late ticks with misfire "all" run one by one, and older ones are missed', async () => {
    // So seldom that none falls due while the test runs.
    const monthly = { cron: "0 0 0 1 * *", graceMs: 1_000 };
    const now = new Date();
    const month = (count: number): Date => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 5 + count, 1));
    const quick = await timer("Quick", { ...monthly, misfire: { all: 3 }, activeFrom: month(0) });
    // Five are due: 1 to 5.
    const ids = [];
    for (const count of [1, 2, 3, 4, 5]) ids.push(await quick.tick(month(count)));
    const fences: number[] = [];
    for (const id of ids.slice(2)) {
      const job = await system.until(id);
      expect(job).toMatchObject({ state: "succeeded", executions: 1 });
      fences.push(outputOf(job.output)["fence"] as number);
    }
    expect(fences).toEqual(fences.toSorted((a, b) => a - b));
    expect(new Set(fences).size).toBe(3);
    await noMessages();
    for (const id of ids.slice(0, 2)) expect(await quick.job(id)).toBeUndefined();
    expect(await quick.run()).toMatchObject({ missedCount: 2, waitingJobIds: [], coveredUpTo: month(5) });
  });
});

it("no waiting run is left at the end", () => {
  const begunIds = readdirSync(place.path).filter((name) => name.startsWith("begun-"));
  for (const name of begunIds) expect(existsSync(join(place.path, name.replace("begun", "go")))).toBe(true);
});
