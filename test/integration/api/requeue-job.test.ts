import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REQUEUE_MAX_JOBS } from "../../../runtime/core/limits.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { claimAndEnd, claimRow, endRow, retryRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

let system: ApiWithQueue;
beforeAll(async () => {
  system = await startApiWithQueue();
});
afterAll(() => system[Symbol.asyncDispose]());

async function submit(fields: object = {}): Promise<string> {
  const { body } = await system.api.post("/v1/jobs", {
    tenantName: freshTenant(),
    jobType: "Echo",
    jobName: "job",
    jobProcessorPackageName: "echo.zip",
    publishLater: true,
    ...fields,
  });
  return body.jobId;
}

async function failed(fields?: object): Promise<string> {
  const jobId = await submit(fields);
  await claimAndEnd(system.api.jobs, jobId, "failed");
  return jobId;
}

const requeue = (jobId: string) => system.api.post(`/v1/jobs/${jobId}/requeue`);

describe("requeuing a job", () => {
  it.each(["failed", "succeeded", "canceled"] as const)(
    "that has %s makes it as new, under the next ring, with its history",
    async (state) => {
      const jobId = await submit({ parameters: { n: 1 } });
      await claimAndEnd(system.api.jobs, jobId, state);
      const { status, body } = await requeue(jobId);
      expect(status).toBe(200);
      expect(body).toMatchObject({ jobId, state: "queued", attempts: 0, parameters: { n: 1 } });
      expect(body).not.toHaveProperty("failure");
      expect(body.history).toHaveLength(1);
      const row = (await system.api.jobs.get(jobId))!;
      expect(row.value).toMatchObject({ ring: 2, reopen: true, executions: 1, claim: undefined });
      const bells = (await system.bells()).filter(({ messageId }) => messageId === `${jobId}:2`);
      expect(bells).toHaveLength(1);
      // A worker can claim with this bell, without a read.
      expect(bells[0]!.parsed).toMatchObject({ kind: "bell", bell: { etag: row.etag, start: { reopen: true } } });
    },
  );

  it("rings the queue of its priority", async () => {
    const jobId = await failed({ priority: "low" });
    await requeue(jobId);
    expect(await system.bellIdsOf(jobId, "jobs-default-low")).toContain(`${jobId}:2`);
  });

  it("again, while it waits, sends its bell again and changes nothing", async () => {
    const jobId = await failed();
    await requeue(jobId);
    const before = await system.api.jobs.get(jobId);
    expect(await requeue(jobId)).toMatchObject({ status: 200, body: { state: "queued" } });
    expect((await system.api.jobs.get(jobId))?.etag).toBe(before?.etag);
    expect(await system.bellIdsOf(jobId)).toEqual([`${jobId}:1`, `${jobId}:2`]);
  });

  it("twice at the same moment gives it one ring and one bell", async () => {
    for (let round = 0; round < 15; round++) {
      const jobId = await failed();
      const answers = await Promise.all([requeue(jobId), requeue(jobId), requeue(jobId)]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect((await system.api.jobs.get(jobId))?.value.ring).toBe(2);
      expect(await system.bellIdsOf(jobId)).toEqual([`${jobId}:1`, `${jobId}:2`]);
    }
  });

  it("that waits for its next attempt leaves the wait as it is", async () => {
    const jobId = await submit();
    await claimRow(system.api.jobs, jobId);
    const runAt = new Date(Date.now() + 3_600_000);
    await retryRow(system.api.jobs, jobId, runAt);
    const { status, body } = await requeue(jobId);
    expect({ status, runAt: body.runAt, attempts: body.attempts }).toEqual({
      status: 200,
      runAt: runAt.toISOString(),
      attempts: 1,
    });
    const [bell] = (await system.bells()).filter(({ messageId }) => messageId === `${jobId}:2`);
    expect(bell).toBeDefined();
    const waiting = system.queue.receiver("jobs-default-normal");
    for (let got = await receiveOne(waiting, 100); got !== undefined; got = await receiveOne(waiting, 100)) {
      expect(got.messageId).not.toBe(`${jobId}:2`);
      await got.complete();
    }
    await waiting.close();
  });

  it.each(["queued", "running"])("that is %s for the first time is refused", async (state) => {
    const jobId = await submit();
    if (state === "running") await claimRow(system.api.jobs, jobId);
    expect(await requeue(jobId)).toMatchObject({ status: 409, body: { error: { code: "JobNotEnded" } } });
  });

  it("opens its complete batch again, and the batch is complete once more when it has ended", async () => {
    const jobId = await failed();
    const { body: job } = await system.api.get(`/v1/jobs/${jobId}`);
    const path = `/v1/batches/${job.batchId}`;
    expect((await system.api.post(`${path}/close`)).body).toMatchObject({ generation: 1, state: "closed" });
    expect((await system.api.get(path)).body.completedAt).toBeDefined();
    await requeue(jobId);
    const { body: reopened } = await system.api.get(path);
    expect({ generation: reopened.generation, completedAt: reopened.completedAt }).toEqual({
      generation: 2,
      completedAt: undefined,
    });
    await claimAndEnd(system.api.jobs, jobId, "succeeded");
    expect((await system.api.post(`${path}/close`)).body.completedAt).toBeDefined();
  });
});

describe("requeuing many jobs", () => {
  it("judges each alone, in the order given, and rings each once", async () => {
    const [first, second, running] = [await failed(), await failed({ priority: "high" }), await submit()];
    await claimRow(system.api.jobs, running);
    const jobIds = [first, "nonsense", running, second, first];
    const { status, body } = await system.api.post("/v1/jobs/requeue", { jobIds });
    expect(status).toBe(200);
    expect(body.results).toMatchObject([
      { jobId: first, state: "queued" },
      { jobId: "nonsense", error: { code: "JobNotFound" } },
      { jobId: running, error: { code: "JobNotEnded" } },
      { jobId: second, state: "queued" },
      { jobId: first, state: "queued" },
    ]);
    expect(await system.bellIdsOf(first)).toEqual([`${first}:1`, `${first}:2`]);
    expect(await system.bellIdsOf(second, "jobs-default-high")).toEqual([`${second}:1`, `${second}:2`]);
  });

  it.each([
    ["no ids", []],
    ["too many", Array.from({ length: REQUEUE_MAX_JOBS + 1 }, () => "x")],
    ["something else", [7]],
  ])("with %s is refused", async (_what, jobIds) => {
    const answer = await system.api.post("/v1/jobs/requeue", { jobIds });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "InvalidRequest" } } });
  });
});

describe("a job that moves while it is requeued", () => {
  it("a job that another requeue has started is left alone", async () => {
    const jobId = await failed();
    const api = await system.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        update: async (update) => {
          await requeue(jobId);
          await claimRow(system.api.jobs, jobId);
          return jobs.update(update);
        },
      }),
    });
    expect(await api.post(`/v1/jobs/${jobId}/requeue`)).toMatchObject({ status: 200, body: { state: "running" } });
    expect((await system.api.jobs.get(jobId))?.value.ring).toBe(2);
    await endRow(system.api.jobs, jobId, "succeeded");
  });

  it("is rung when the answer to its write was lost", async () => {
    const jobId = await failed();
    const api = await system.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        update: async (update) => {
          await jobs.update(update);
          return { written: false, current: await jobs.get(update.jobId) };
        },
      }),
    });
    expect(await api.post(`/v1/jobs/${jobId}/requeue`)).toMatchObject({ status: 200, body: { state: "queued" } });
    expect((await system.api.jobs.get(jobId))?.value.ring).toBe(2);
    expect(await system.bellIdsOf(jobId)).toContain(`${jobId}:2`);
  });
});
