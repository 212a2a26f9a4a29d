import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { claimAndEnd, claimRow, endRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let system: ApiWithQueue;
beforeAll(async () => {
  system = await startApiWithQueue();
});
afterAll(() => system[Symbol.asyncDispose]());

const request = (tenantName: string, fields: object = {}) => ({
  tenantName,
  jobType: "Echo",
  jobName: "job",
  jobProcessorPackageName: "echo.zip",
  publishLater: true,
  ...fields,
});

async function submit(fields: object = {}): Promise<string> {
  const { body } = await system.api.post("/v1/jobs", request(freshTenant(), fields));
  return body.jobId;
}

const cancel = (jobId: string) => system.api.post(`/v1/jobs/${jobId}/cancel`);

/** A worker's row, as its heartbeat writes it. */
async function beat(workerId: string): Promise<void> {
  const now = new Date();
  const record: WorkerRecord = {
    pool: "default",
    workerId,
    bootId: "boot",
    startedAt: now,
    heartbeatAt: now,
    state: "running",
    slots: 1,
    version: "1",
    claims: [],
    cancel: [],
    drain: false,
  };
  await system.api.workers.beat(record, undefined);
}

describe("canceling a job", () => {
  it("that is queued ends it, also when it is repeated", async () => {
    const jobId = await submit();
    for (let i = 0; i < 2; i++) {
      const { status, body } = await cancel(jobId);
      expect(status).toBe(200);
      expect(body).toMatchObject({ jobId, state: "canceled", cancelWanted: false });
      expect(body.endedAt).toBeDefined();
    }
  });

  it("that is delayed ends it, and it waits for nothing any more", async () => {
    const jobId = await submit({ delayMs: 3_600_000 });
    const { status, body } = await cancel(jobId);
    expect({ status, state: body.state, runAt: body.runAt }).toEqual({
      status: 200,
      state: "canceled",
      runAt: undefined,
    });
  });

  it("a cancel of a running job is written to its worker's row, with the job's claim", async () => {
    const jobId = await submit();
    const workerId = `w-${randomUUID()}`;
    await beat(workerId);
    await claimRow(system.api.jobs, jobId, { id: "claim-1", workerId });
    for (let i = 0; i < 2; i++) {
      const { status, body } = await cancel(jobId);
      expect(status).toBe(202);
      expect(body).toMatchObject({ state: "running", cancelWanted: true, workerId });
    }
    const worker = await system.api.workers.get("default", workerId);
    expect(worker?.cancel).toEqual([{ jobId, claimId: "claim-1" }]);
    await endRow(system.api.jobs, jobId, "canceled");
    expect(await cancel(jobId)).toMatchObject({ status: 200, body: { state: "canceled" } });
  });

  it("a cancel of a running job is written to the job's row when its worker is unknown", async () => {
    const jobId = await submit();
    await claimRow(system.api.jobs, jobId, { workerId: "nobody" });
    expect(await cancel(jobId)).toMatchObject({ status: 202, body: { cancelWanted: true } });
    expect((await system.api.jobs.get(jobId))?.value.cancelWanted).toBe(true);
  });

  it.each(["succeeded", "failed"] as const)("that has %s is too late", async (state) => {
    const jobId = await submit();
    await claimAndEnd(system.api.jobs, jobId, state);
    expect(await cancel(jobId)).toMatchObject({ status: 409, body: { error: { code: "JobEnded" } } });
  });

  it("that does not exist, or with anything to say, is refused", async () => {
    const jobId = await submit();
    const other = jobId.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    expect(await cancel(other)).toMatchObject({ status: 404, body: { error: { code: "JobNotFound" } } });
    const spoken = await system.api.post(`/v1/jobs/${jobId}/cancel`, { force: true });
    expect(spoken).toMatchObject({ status: 400, body: { error: { code: "InvalidRequest" } } });
    expect((await system.api.jobs.get(jobId))?.value.state).toBe("queued");
  });

  it("completes its batch when it was the last one", async () => {
    const tenantName = freshTenant();
    const { body: batch } = await system.api.post("/v1/batches", { tenantName, batchName: "One" });
    const { body: job } = await system.api.post("/v1/jobs", request(tenantName, { batchId: batch.batchId }));
    const closed = await system.api.post(`/v1/batches/${batch.batchId}/close`);
    expect(closed.body).toMatchObject({ state: "closed", generation: 1, counts: { queued: 1 } });
    expect(closed.body.completedAt).toBeUndefined();
    await cancel(job.jobId);
    expect((await system.api.get(`/v1/batches/${batch.batchId}`)).body.completedAt).toBeDefined();
  });
});

describe("a job that moves while it is canceled", () => {
  /** An API under whose hands the row moves once, between its read and its first write. */
  async function racing(meanwhile: (jobId: string) => Promise<void>) {
    let moved = false;
    return system.another({
      wrapJobs: (jobs) => ({
        ...jobs,
        update: async (update) => {
          if (!moved) {
            moved = true;
            await meanwhile(update.jobId);
          }
          return jobs.update(update);
        },
      }),
    });
  }

  it("a cancel is written to the worker's row when the job was claimed meanwhile", async () => {
    const jobId = await submit();
    const api = await racing((id) => claimRow(system.api.jobs, id));
    const { status, body } = await api.post(`/v1/jobs/${jobId}/cancel`);
    expect({ status, state: body.state, wanted: body.cancelWanted }).toEqual({
      status: 202,
      state: "running",
      wanted: true,
    });
  });

  it("keeps its end when it ended in between", async () => {
    const jobId = await submit();
    await claimRow(system.api.jobs, jobId);
    const api = await racing((id) => endRow(system.api.jobs, id, "succeeded"));
    expect(await api.post(`/v1/jobs/${jobId}/cancel`)).toMatchObject({
      status: 409,
      body: { error: { code: "JobEnded" } },
    });
    expect((await system.api.jobs.get(jobId))?.value).toMatchObject({ state: "succeeded", cancelWanted: false });
  });

  it("has exactly one end when it is claimed at the same moment, again and again", async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 30; round++) {
      const jobId = await submit();
      const [answer, claimed] = await Promise.all([
        cancel(jobId),
        claimRow(system.api.jobs, jobId).then(
          () => true,
          () => false,
        ),
      ]);
      const { value: job } = (await system.api.jobs.get(jobId))!;
      expect({ status: answer.status, state: job.state, wanted: job.cancelWanted }).toEqual(
        claimed ? { status: 202, state: "running", wanted: true } : { status: 200, state: "canceled", wanted: false },
      );
      outcomes.add(job.state);
    }
    expect(outcomes.size).toBeGreaterThan(0);
  });
});
