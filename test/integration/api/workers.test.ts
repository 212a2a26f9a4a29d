/** Workers as the API shows them, and the way of a drain to the worker. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import { workerOf } from "../../support/builders.ts";
import { SILENT_AFTER_MS, type Answer } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { apiStores } from "../../support/stores/api-stores.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

let system: TestSystem;
beforeAll(async () => {
  const stores = await apiStores();
  system = await startTestSystem({ stores: () => stores });
});
afterAll(() => system[Symbol.asyncDispose]());

const pathOf = ({ pool, workerId }: Pick<WorkerRecord, "pool" | "workerId">): string =>
  `/v1/workers/${pool}/${workerId}`;
const get = (path: string): Promise<Answer> => system.api.get(path);
const listed = async (query = ""): Promise<readonly unknown[]> => (await get(`/v1/workers${query}`)).body.items;

/** A worker's row, whose last heartbeat was so long ago. */
async function heardOf(agoMs: number, fields: Partial<WorkerRecord> = {}): Promise<WorkerRecord> {
  const heartbeatAt = new Date(Date.now() - agoMs);
  const worker = workerOf({ workerId: `w-${randomUUID()}`, startedAt: heartbeatAt, heartbeatAt, ...fields });
  await system.api.workers.beat(worker, undefined);
  return worker;
}

describe("a worker", () => {
  it("is shown as of its heartbeat", async () => {
    const worker = await heardOf(-60_000, { slots: 4, claims: ["a", "b"], version: "1.2.3", isProtected: true });
    const view = {
      ...{ pool: "default", workerId: worker.workerId, state: "running", slots: 4, runningCount: 2 },
      ...{ drainWanted: false, version: "1.2.3", isProtected: true },
      startedAt: worker.startedAt.toISOString(),
      heartbeatAt: worker.heartbeatAt.toISOString(),
    };
    expect((await get(pathOf(worker))).body).toEqual(view);
    expect(await listed()).toContainEqual(view);
  });

  it("is silent when it was not heard of for too long, unless it has said that it stops", async () => {
    const silent = await heardOf(SILENT_AFTER_MS + 1);
    const draining = await heardOf(SILENT_AFTER_MS + 1, { state: "draining" });
    const stopped = await heardOf(SILENT_AFTER_MS + 1, { state: "stopped" });
    const states = await Promise.all(
      [silent, draining, stopped].map(async (one) => (await get(pathOf(one))).body.state),
    );
    expect(states).toEqual(["silent", "silent", "stopped"]);
  });

  it("is listed with those of its pool", async () => {
    const pool = `p-${randomUUID().slice(0, 8)}`;
    const worker = await heardOf(0, { pool });
    await heardOf(0);
    expect(await listed(`?pool=${pool}`)).toMatchObject([{ pool, workerId: worker.workerId }]);
    expect(await listed(`?pool=${pool.slice(0, -1)}`)).toEqual([]);
  });

  it("that is not there is not found, whatever its name", async () => {
    const names = ["nobody", "a%2Fb", "a%5Cb", "a%23b", "a%3Fb", "%00", "%C2%80", "o'brien", "x".repeat(2_000)];
    for (const name of names) {
      expect((await get(`/v1/workers/default/${name}`)).body.error.code).toBe("WorkerNotFound");
      expect((await get(`/v1/workers/${name}/worker-1`)).body.error.code).toBe("WorkerNotFound");
      expect((await system.api.post(`/v1/workers/default/${name}/drain`)).body.error.code).toBe("WorkerNotFound");
    }
  });
});

describe("a drain", () => {
  it("reaches the worker, which hands back what it runs and stops", async () => {
    const tenant = freshTenant();
    const forever = `await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`;
    await system.publish(tenant, "test.zip", testPackage({ jobs: { Waits: forever } }));
    await using worker = await system.startWorker();
    const path = pathOf({ pool: "default", workerId: worker.workerId });
    const jobId = await system.submit(tenant, "Waits");
    await system.until(jobId, ({ state }) => state === "running");

    expect(await system.api.post(`${path}/drain`)).toMatchObject({ status: 202, body: { drainWanted: true } });
    expect((await system.api.post(`${path}/drain`)).status).toBe(202);
    await expect.poll(async () => (await get(path)).body.state, { timeout: 60_000 }).toBe("stopped");
    expect(await system.until(jobId, ({ state }) => state === "queued")).toMatchObject({
      attempts: 0,
      interruptions: 1,
      history: [{ outcome: "interrupted" }],
    });
  });
});
