import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_BATCHES_PER_DAY_MAX } from "../../../runtime/core/limits.ts";
import { batchIdOf, scheduleHashOf, tickJobId } from "../../../runtime/core/timer/timer.ts";
import { newTimerJob, wakeTimerBatch } from "../../../runtime/timers/run/timer-jobs.ts";
import { timerOf } from "../../support/builders.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { claimAndEnd, claimRow, endRow, retryRow } from "../../support/stores/row-moves.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let system: ApiWithQueue;
let api: TestApi;
beforeAll(async () => {
  system = await startApiWithQueue();
  api = system.api;
});
afterAll(() => system[Symbol.asyncDispose]());

const requestOf = (tenantName: string) => ({
  tenantName,
  jobType: "Echo",
  jobName: "job",
  jobProcessorPackageName: "echo.zip",
  publishLater: true,
});

interface Batch {
  readonly tenantName: string;
  readonly batchId: string;
  readonly path: string;
  readonly jobIds: readonly string[];
}

async function batchWith(count: number, { large = false } = {}): Promise<Batch> {
  const tenantName = freshTenant();
  const { body } = await api.post("/v1/batches", { tenantName, batchName: "Batch", large });
  const { batchId } = body;
  const jobs = Array.from({ length: count }, () => requestOf(tenantName));
  const results = count === 0 ? [] : (await api.post("/v1/jobs/bulk", { batchId, jobs })).body.results;
  return { tenantName, batchId, path: `/v1/batches/${batchId}`, jobIds: results.map(({ jobId }) => jobId) };
}

const stateOf = async (jobId: string): Promise<string> => (await api.jobs.get(jobId))!.value.state;

describe("the batch of a timer", () => {
  it("takes no jobs from others, and is neither closed nor canceled by them", async () => {
    const timer = timerOf({ tenantName: freshTenant() });
    await wakeTimerBatch(api.batches, timer, new Date());
    const batchId = batchIdOf(timer);
    const refused = { status: 409, body: { error: { code: "BatchOfTimer" } } };
    const request = requestOf(timer.tenantName);
    expect(await api.post("/v1/jobs", { ...request, batchId })).toMatchObject(refused);
    expect(await api.post("/v1/jobs/bulk", { batchId, jobs: [request] })).toMatchObject(refused);
    for (const command of ["close", "cancel"]) {
      expect(await api.post(`/v1/batches/${batchId}/${command}`)).toMatchObject(refused);
    }
    const { body } = await api.get(`/v1/batches/${batchId}`);
    expect(body).toMatchObject({ state: "open", batchName: "timer:Export", counts: { total: 0 } });
  });

  it("may be requeued, and a single run of it be canceled, shown with why it never started", async () => {
    const timer = timerOf({ tenantName: freshTenant() });
    await wakeTimerBatch(api.batches, timer, new Date());
    const scheduledAt = new Date("2026-03-01T08:00:00Z");
    const trigger = { trigger: "schedule", scheduledAt, missedCount: 0 } as const;
    const jobId = tickJobId(timer, scheduledAt, scheduleHashOf(timer));
    const fields = { pool: "default", submittedAt: new Date(), submittedBy: "timer" };
    const job = newTimerJob(timer, { jobId, trigger, ...fields });
    const inserted = await api.jobs.insert(job);
    const failure = { code: "TimerSkipped", message: "held", attempt: 1, failedAt: new Date(), retryable: false };
    await api.jobs.update({
      ...{ jobId, etag: inserted.written ? inserted.etag : "", from: "queued", to: "canceled" },
      changes: { failure, endedAt: new Date() },
    });
    const { body } = await api.get(`/v1/jobs/${jobId}`);
    expect(body).toMatchObject({
      state: "canceled",
      failure: { code: "TimerSkipped", message: "held" },
      parameters: { trigger: "schedule", scheduledAt: "2026-03-01T08:00:00.000Z", missedCount: 0 },
    });
    expect(await api.post(`/v1/batches/${job.batchId}/requeue`, { state: "canceled" })).toMatchObject({ status: 200 });
    expect(await api.post(`/v1/jobs/${jobId}/cancel`)).toMatchObject({ status: 200, body: { state: "canceled" } });
  });
});

describe("closing a batch", () => {
  it("a closed batch accepts no jobs, finishes the ones it has, and can be closed again", async () => {
    const { path, batchId, tenantName, jobIds } = await batchWith(2);
    for (let i = 0; i < 2; i++) {
      const { status, body } = await api.post(`${path}/close`);
      expect({ status, state: body.state, counts: body.counts?.queued }).toEqual({
        status: 200,
        state: "closed",
        counts: 2,
      });
      expect(body.completedAt).toBeUndefined();
    }
    const late = await api.post("/v1/jobs", { ...requestOf(tenantName), batchId });
    expect(late).toMatchObject({ status: 409, body: { error: { code: "BatchClosed" } } });
    for (const jobId of jobIds) await claimAndEnd(api.jobs, jobId, "succeeded");
    // What a worker asks after each end.
    const { body } = await api.post(`${path}/close`);
    expect(body).toMatchObject({ state: "closed", generation: 1, counts: { succeeded: 2 } });
    expect(body.completedAt).toBeDefined();
  });

  it("that is empty completes it at once", async () => {
    const { path } = await batchWith(0);
    expect((await api.post(`${path}/close`)).body.completedAt).toBeDefined();
  });

  it.each(["close", "cancel"])("(or %s) of that of the day begins another for jobs that name none", async (command) => {
    const tenantName = freshTenant();
    const now = () => new Date("2026-03-01T12:00:00Z");
    const daily = await system.another({ now });
    const batchIds: string[] = [];
    for (let i = 0; i < 3; i++) {
      const [one, two] = [
        await daily.post("/v1/jobs", requestOf(tenantName)),
        (await daily.post("/v1/jobs/bulk", { jobs: [requestOf(tenantName)] })).body.results[0],
      ];
      expect(one.status).toBe(201);
      expect(two).toMatchObject({ batchId: one.body.batchId });
      batchIds.push(one.body.batchId);
      expect((await daily.post(`/v1/batches/${one.body.batchId}/${command}`)).status).toBe(200);
      // What the sealed one has stays in it.
      expect((await daily.get(`/v1/batches/${one.body.batchId}`)).body.counts?.total).toBe(2);
      // Named, it takes no more.
      const late = await daily.post("/v1/jobs", { ...requestOf(tenantName), batchId: one.body.batchId });
      expect(late).toMatchObject({ status: 409, body: { error: { code: "BatchClosed" } } });
    }
    expect(new Set(batchIds).size).toBe(3);
    const { body } = await daily.get(`/v1/batches?tenantName=${tenantName}`);
    expect(body.items.map(({ batchName }) => batchName).toSorted()).toEqual([
      "Jobs of 2026-03-01",
      "Jobs of 2026-03-01, 2",
      "Jobs of 2026-03-01, 3",
    ]);
  });

  it("of more than a hundred of one day leaves no batch for jobs that name none until the next", async () => {
    const tenantName = freshTenant();
    const clock = { at: Date.parse("2026-03-01T12:00:00Z") };
    const daily = await system.another({ now: () => new Date(clock.at) });
    for (let i = 0; i < DEFAULT_BATCHES_PER_DAY_MAX; i++) {
      const { body: job } = await daily.post("/v1/jobs", requestOf(tenantName));
      await daily.post(`/v1/batches/${job.batchId}/close`);
    }
    const refused = { status: 409, body: { error: { code: "BatchClosed" } } };
    expect(await daily.post("/v1/jobs", requestOf(tenantName))).toMatchObject(refused);
    clock.at += 12 * 60 * 60_000;
    expect((await daily.post("/v1/jobs", requestOf(tenantName))).status).toBe(201);
  });

  it("of that of the day leaves a repeat with the job it is of", async () => {
    const tenantName = freshTenant();
    const request = { ...requestOf(tenantName), clientJobId: "once" };
    const { body: first } = await api.post("/v1/jobs", request);
    await api.post(`/v1/batches/${first.batchId}/cancel`);
    const { status, body } = await api.post("/v1/jobs", request);
    expect({ status, body }).toEqual({ status: 200, body: first });
    expect((await api.post("/v1/jobs", requestOf(tenantName))).body.batchId).not.toBe(first.batchId);
  });

  it.each(["close", "cancel", "requeue"])("and %s of one that does not exist is answered 404", async (command) => {
    const answer = await api.post(`/v1/batches/acme.0000000000aaaaaaaa/${command}`);
    expect(answer).toMatchObject({ status: 404, body: { error: { code: "BatchNotFound" } } });
  });

  it("counts a job that was accepted just before, though its row came after", async () => {
    const { path, batchId, tenantName } = await batchWith(0);
    const racing = await system.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        insert: async (job) => {
          // Read as open; closed and complete before the row is there.
          await api.post(`${path}/close`);
          return jobs.insert(job);
        },
      }),
    });
    const { status, body: job } = await racing.post("/v1/jobs", { ...requestOf(tenantName), batchId });
    expect(status).toBe(201);
    const { body: open } = await api.get(path);
    expect({ generation: open.generation, completedAt: open.completedAt }).toEqual({
      generation: 2,
      completedAt: undefined,
    });
    await claimAndEnd(api.jobs, job.jobId, "succeeded");
    expect((await api.post(`${path}/close`)).body).toMatchObject({ generation: 2, counts: { succeeded: 1 } });
    expect((await api.get(path)).body.completedAt).toBeDefined();
  });
});

describe("canceling a batch", () => {
  it("canceling a batch ends queued jobs, requests it for running ones, leaves ended ones, and completes the batch after the last", async () => {
    const { path, batchId, tenantName, jobIds } = await batchWith(5);
    const [done, failed, running, queued, waiting] = jobIds as [string, string, string, string, string];
    await claimAndEnd(api.jobs, done, "succeeded");
    await claimAndEnd(api.jobs, failed, "failed");
    await claimRow(api.jobs, running);
    await claimRow(api.jobs, waiting);
    await retryRow(api.jobs, waiting, new Date(Date.now() + 3_600_000));
    for (let i = 0; i < 2; i++) {
      const { status, body } = await api.post(`${path}/cancel`);
      expect(status).toBe(202);
      expect(body).toMatchObject({
        state: "canceled",
        counts: { succeeded: 1, failed: 1, running: 1, canceled: 2, queued: 0, total: 5 },
      });
    }
    expect(await Promise.all([queued, waiting].map(stateOf))).toEqual(["canceled", "canceled"]);
    expect((await api.jobs.get(running))!.value.cancelWanted).toBe(true);
    const late = await api.post("/v1/jobs", { ...requestOf(tenantName), batchId });
    expect(late).toMatchObject({ status: 409, body: { error: { code: "BatchClosed" } } });

    await endRow(api.jobs, running, "canceled");
    const { status, body } = await api.post(`${path}/cancel`);
    expect({ status, canceled: body.counts?.canceled }).toEqual({ status: 200, canceled: 3 });
    expect(body.completedAt).toBeDefined();
  });

  it("works through many jobs while workers claim and end them", async () => {
    const { path, jobIds } = await batchWith(1_500, { large: true });
    let stop = false;
    let ended = 0;
    /** Claims jobs from both ends; each ends as its cancel and its luck will have it. */
    async function work(ids: readonly string[]): Promise<void> {
      for (const jobId of ids) {
        if (stop) return;
        try {
          await claimRow(api.jobs, jobId);
          const wanted = (await api.jobs.get(jobId))!.value.cancelWanted;
          await endRow(api.jobs, jobId, wanted ? "canceled" : "succeeded");
          ended++;
        } catch {
          // Canceled before it was claimed, or asked between a read and a write: left running.
        }
      }
    }
    const workers = Array.from({ length: 4 }, (_, i) => work(jobIds.filter((_id, at) => at % 4 === i).reverse()));
    const { body } = await api.post(`${path}/cancel`);
    stop = true;
    await Promise.all(workers);
    expect(body.state).toBe("canceled");
    const { counts } = (await api.get(path)).body;
    expect(counts).toMatchObject({ queued: 0, total: 1_500 });
    expect(counts!.canceled).toBeGreaterThan(0);
    expect(ended).toBeGreaterThan(0);
    for await (const { value } of api.jobs.scan((await api.batches.get(path.split("/").at(-1)!))!.value, "running")) {
      expect(value.cancelWanted).toBe(true);
    }
  });

  it("continues where an earlier call stopped", async () => {
    const { path } = await batchWith(40);
    let writes = 0;
    const failing = await system.another({
      wrapJobs: (jobs: JobStore): JobStore => ({
        ...jobs,
        update: (update) => (writes++ < 15 ? jobs.update(update) : Promise.reject(new Error("the process died"))),
      }),
    });
    expect((await failing.post(`${path}/cancel`)).status).toBe(500);
    const half = (await api.get(path)).body;
    expect(half).toMatchObject({ state: "canceled", counts: { queued: 25, canceled: 15 } });
    const { status, body } = await api.post(`${path}/cancel`);
    expect({ status, canceled: body.counts?.canceled }).toEqual({ status: 200, canceled: 40 });
    expect(body.completedAt).toBeDefined();
  });

  it("reaches a job that was accepted just before, though its row came after", async () => {
    const { path, batchId, tenantName } = await batchWith(0);
    const racing = await system.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        insert: async (job) => {
          await api.post(`${path}/cancel`);
          return jobs.insert(job);
        },
      }),
    });
    const { body: job } = await racing.post("/v1/jobs", { ...requestOf(tenantName), batchId });
    expect(await stateOf(job.jobId)).toBe("canceled");
    const { body } = await api.get(path);
    expect(body).toMatchObject({ state: "canceled", generation: 2, counts: { canceled: 1 } });
    expect(body.completedAt).toBeDefined();
  });

  it("that is complete leaves it as it is", async () => {
    const { path, jobIds } = await batchWith(1);
    await claimAndEnd(api.jobs, jobIds[0]!, "succeeded");
    await api.post(`${path}/close`);
    expect(await api.post(`${path}/cancel`)).toMatchObject({ status: 200, body: { state: "closed", generation: 1 } });
  });
});

describe("requeuing a batch", () => {
  it("makes its failed jobs run again, or its canceled ones, and no others", async () => {
    const { path, jobIds } = await batchWith(6);
    const [a, b, c, d] = jobIds as [string, string, string, string];
    for (const jobId of [a, b]) await claimAndEnd(api.jobs, jobId, "failed");
    await claimAndEnd(api.jobs, c, "succeeded");
    await api.post(`/v1/jobs/${d}/cancel`);
    expect(await api.post(`${path}/requeue`)).toMatchObject({ status: 200, body: { requeued: 2 } });
    expect(await api.post(`${path}/requeue`, {})).toMatchObject({ status: 200, body: { requeued: 0 } });
    expect(await Promise.all([a, b, c, d].map(stateOf))).toEqual(["queued", "queued", "succeeded", "canceled"]);
    expect(await system.bellIdsOf(a)).toEqual([`${a}:1`, `${a}:2`]);
    expect(await api.post(`${path}/requeue`, { state: "canceled" })).toMatchObject({ body: { requeued: 1 } });
    expect(await stateOf(d)).toBe("queued");
    const refused = await api.post(`${path}/requeue`, { state: "succeeded" });
    expect(refused).toMatchObject({ status: 400, body: { error: { code: "InvalidRequest", target: "state" } } });
  });

  it("of more jobs than fit into one step opens a complete batch once and rings each job once", async () => {
    const { path, jobIds } = await batchWith(1_200);
    await api.post(`${path}/cancel`);
    expect((await api.get(path)).body).toMatchObject({ generation: 1, counts: { canceled: 1_200 } });
    const { body } = await api.post(`${path}/requeue`, { state: "canceled" });
    expect(body.requeued).toBe(1_200);
    const { body: batch } = await api.get(path);
    expect({ generation: batch.generation, completedAt: batch.completedAt, queued: batch.counts?.queued }).toEqual({
      generation: 2,
      completedAt: undefined,
      queued: 1_200,
    });
    const wanted = new Set(jobIds.map((jobId) => `${jobId}:2`));
    const rung = (await system.bells()).map(({ messageId }) => messageId).filter((id) => wanted.has(id));
    expect(rung).toHaveLength(1_200);
  });
});

describe("a batch at rest", () => {
  it("wakes before it takes a job", async () => {
    const { batchId, tenantName } = await batchWith(0);
    const { value, etag } = (await api.batches.get(batchId))!;
    await api.batches.update(batchId, etag, { atRest: true });
    await api.post("/v1/jobs", { ...requestOf(tenantName), batchId });
    expect((await api.batches.get(batchId))!.value).toEqual({ ...value, atRest: false });
  });

  it("wakes when it was put to rest while it took a job", async () => {
    const { batchId, tenantName } = await batchWith(0);
    const racing = await system.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        insert: async (job) => {
          const { etag } = (await api.batches.get(batchId))!;
          await api.batches.update(batchId, etag, { atRest: true });
          return jobs.insert(job);
        },
      }),
    });
    await racing.post("/v1/jobs", { ...requestOf(tenantName), batchId });
    expect((await api.batches.get(batchId))!.value.atRest).toBe(false);
  });
});
