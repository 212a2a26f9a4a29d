import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jobQueueName, DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";

const tenant = freshTenant();
let system: TestSystem;
let worker: TestWorker;

const ENDS_ON_ABORT = `await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`;

beforeAll(async () => {
  system = await startTestSystem();
  const zip = testPackage({
    jobs: {
      Waits: ENDS_ON_ABORT,
      Quick: `return { output: job.parameters };`,
      FailsOnce: `
        const marker = path.join(path.dirname(path.dirname(context.workingPath)), "failed-" + job.jobId);
        if (fs.existsSync(marker)) return { output: "second time lucky" };
        fs.writeFileSync(marker, "");
        throw nonRetryable("first time");`,
    },
  });
  await system.publish(tenant, "test.zip", zip);
  worker = await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const post = (path: string, body: unknown = {}) => system.api.post(`/v1${path}`, body);
const createBatch = async (): Promise<string> =>
  (await post("/batches", { tenantName: tenant, batchName: "Batch" })).body.batchId;
const batchOf = async (batchId: string) => (await system.api.get(`/v1/batches/${batchId}`)).body;

describe("cancelling", () => {
  it("a cancel ends a running job within a heartbeat", async () => {
    const jobId = await system.submit(tenant, "Waits");
    await system.until(jobId, ({ state }) => state === "running");
    expect((await post(`/jobs/${jobId}/cancel`)).status).toBe(202);
    expect(await system.until(jobId)).toMatchObject({
      state: "canceled",
      attempts: 0,
      interruptions: 0,
      history: [{ outcome: "canceled" }],
    });
    expect((await post(`/jobs/${jobId}/cancel`)).status).toBe(200);
  });

  it("a canceled queued job never starts", async () => {
    const jobId = await system.submit(tenant, "Quick", { delayMs: 3_600_000 });
    expect((await post(`/jobs/${jobId}/cancel`)).status).toBe(200);
    expect(await system.until(jobId)).toMatchObject({ state: "canceled", executions: 0 });
  });

  it("a cancel of a batch ends its running and queued jobs", async () => {
    const batchId = await createBatch();
    const jobIds = await Promise.all(Array.from({ length: 5 }, () => system.submit(tenant, "Waits", { batchId })));
    await expect.poll(async () => (await batchOf(batchId)).counts?.running, { timeout: 60_000 }).toBe(2);
    await post(`/batches/${batchId}/cancel`);
    const jobs = await Promise.all(jobIds.map((jobId) => system.until(jobId)));
    expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(["canceled"]));
    // The last job's row is written first, and its batch asked then.
    await expect
      .poll(async () => await batchOf(batchId), { timeout: 60_000 })
      .toMatchObject({
        state: "canceled",
        completedAt: expect.any(String) as unknown,
        counts: { canceled: 5, total: 5 },
      });
  });
});

describe("a batch", () => {
  it("a batch completes when it is closed and its last job has ended, and again after a requeue", async () => {
    const batchId = await createBatch();
    const failing = await system.submit(tenant, "FailsOnce", { batchId });
    await system.submit(tenant, "Quick", { batchId, parameters: 1 });
    expect(await system.until(failing)).toMatchObject({ state: "failed", failure: { code: "JobFailed" } });
    expect(await batchOf(batchId)).not.toHaveProperty("completedAt");
    await post(`/batches/${batchId}/close`);
    await expect.poll(async () => await batchOf(batchId), { timeout: 60_000 }).toHaveProperty("completedAt");
    expect((await post("/jobs", { ...request, batchId })).body.error.code).toBe("BatchClosed");

    expect((await post(`/batches/${batchId}/requeue`, { state: "failed" })).body).toMatchObject({ requeued: 1 });
    expect(await system.until(failing, ({ state }) => state === "succeeded")).toMatchObject({
      output: '"second time lucky"',
      attempts: 0,
      executions: 2,
      history: [{ outcome: "failed" }, { outcome: "succeeded" }],
    });
    await expect
      .poll(async () => await batchOf(batchId), { timeout: 60_000 })
      .toMatchObject({
        generation: 2,
        completedAt: expect.any(String) as unknown,
      });
  });

  it("a batch for an unknown pool is refused", async () => {
    const { status, body } = await post("/batches", { tenantName: tenant, batchName: "Batch", pool: "gpu" });
    expect({ status, target: body.error.target }).toEqual({ status: 400, target: "pool" });
  });
});

describe("delayed jobs", () => {
  it("delayed jobs start when their time has come", async () => {
    const runAt = new Date(Date.now() + 2_000);
    const jobId = await system.submit(tenant, "Quick", { runAt: runAt.toISOString() });
    const job = await system.until(jobId);
    expect(job.state).toBe("succeeded");
    expect(job.startedAt!.getTime()).toBeGreaterThanOrEqual(runAt.getTime());
  });

  it("delayed jobs fail after their time to live", async () => {
    await using own = await startTestSystem();
    const jobId = await own.submit(tenant, "Quick", { timeToLiveMs: 1_000 });
    const { expiresAt } = (await own.api.jobs.get(jobId))!.value;
    await expect.poll(() => Date.now() > expiresAt!.getTime(), { timeout: 60_000 }).toBe(true);
    await using late = await own.startWorker();
    expect(await own.until(jobId)).toMatchObject({ state: "failed", executions: 0, failure: { code: "JobExpired" } });
    await expect.poll(() => late.runningCount).toBe(0);
    await own.api.post(`/v1/jobs/${jobId}/requeue`, {});
    expect(await own.until(jobId, ({ state }) => state !== "queued" && state !== "running")).toMatchObject({
      state: "succeeded",
    });
  });
});

describe("messages that are no jobs", () => {
  it("messages that are no jobs are dead-lettered and do not block the queue", async () => {
    const { ServiceBusClient } = await import("@azure/service-bus");
    const client = new ServiceBusClient(system.bus.connectionString);
    const sender = client.createSender(jobQueueName(DEFAULT_POOL, "normal"));
    await sender.sendMessages([{ body: "no bell" }, { body: { version: 1 } }, { body: null }]);
    const jobId = await system.submit(tenant, "Quick");
    expect((await system.until(jobId)).state).toBe("succeeded");
    const letters = async () =>
      (await system.queue().peek(jobQueueName(DEFAULT_POOL, "normal"), { deadLetter: true, maxCount: 250 }))
        .filter(({ reason }) => reason === "MalformedMessage")
        .map(({ description }) => description);
    await expect.poll(letters, { timeout: 60_000 }).toHaveLength(3);
    await client.close();
  });
});

const request = { tenantName: tenant, jobType: "Quick", jobName: "late", jobProcessorPackageName: "test.zip" };
