/** Pauses and shares on a whole system: real workers, the run's storage, a bus of its own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { JobView } from "../../../runtime/client/index.ts";
import { startBoundMs } from "../../../runtime/core/admission/fair-share.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { eventually, eventuallyFound } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { type TestSystem, type TestWorker, startTestSystem } from "../../support/test-system.ts";

const SLEEP_MS = 400;
const PACKAGE = testPackage({
  jobs: {
    Quick: "return {};",
    Other: "return {};",
    Gate: "while (!fs.existsSync(job.parameters)) await new Promise((resolve) => setTimeout(resolve, 20)); return {};",
    Nap: `await new Promise((resolve) => setTimeout(resolve, ${SLEEP_MS})); return {};`,
  },
  isolation: "reuse",
});
const QUEUE = jobQueueName("default", "normal");

let system: TestSystem;
let queue: JobQueue;
let worker: TestWorker;
beforeAll(async () => {
  // The slots of all workers of an account count, so that others would make the shares larger.
  system = await startTestSystem({ shares: true, lockMs: 20_000, account: "shares" });
  queue = system.queue();
  worker = await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

async function newTenant(): Promise<string> {
  const tenantName = freshTenant();
  await system.publish(tenantName, "test.zip", PACKAGE);
  return tenantName;
}

const bellsInQueue = () => queue.peek(QUEUE, { deadLetter: false, maxCount: 250 });

it("a paused tenant starts nothing, its jobs cost nothing while they wait, and they go on after the resume", async () => {
  const [tenantName, other] = [await newTenant(), await newTenant()];
  const paused = await system.api.put(`/v1/tenants/${tenantName}/pause`, { reason: "The invoice is open." });
  expect(paused.status).toBe(200);
  const jobIds = await Promise.all(Array.from({ length: 20 }, () => system.submit(tenantName, "Quick")));
  await system.until(await system.submit(other, "Quick"));
  await eventually(async () => expect(await bellsInQueue()).toEqual([]));
  const view = (await system.api.get(`/v1/jobs/${jobIds[0]}`)).body;
  expect(view).toMatchObject({ state: "queued", waitsFor: `paused: tenant ${tenantName} (The invoice is open.)` });
  const canceled = await system.api.post(`/v1/jobs/${jobIds[1]}/cancel`);
  expect([canceled.status, canceled.body.state]).toEqual([200, "canceled"]);

  expect((await system.api.delete(`/v1/tenants/${tenantName}/pause`)).status).toBe(204);
  const ended = await Promise.all(jobIds.map((jobId) => system.until(jobId)));
  expect(ended.map(({ state }) => state).toSorted()).toEqual(["canceled", ...Array<string>(19).fill("succeeded")]);
  expect(ended.every(({ interruptions }) => interruptions === 0)).toBe(true);
});

it("a job whose bell stands in the queue already is put off once, and only jobs of the paused type wait", async () => {
  const tenantName = await newTenant();
  const type = `/v1/tenants/${tenantName}/types/Quick/pause`;
  const resume = () => system.api.delete(type);
  // The worker is busy, so that the bells of the others stand behind.
  const naps = [await system.submit(tenantName, "Nap"), await system.submit(tenantName, "Nap")];
  await Promise.all(naps.map((jobId) => system.until(jobId, ({ state }) => state !== "queued")));
  const quick = await system.submit(tenantName, "Quick");
  expect((await system.api.put(type, {})).status).toBe(200);
  const others = await system.submit(tenantName, "Other");
  const [, , other] = await Promise.all([...naps, others].map((jobId) => system.until(jobId)));
  expect(other?.state).toBe("succeeded");
  // Put off by the worker, or run before it knew of the pause: then it is the same as without one.
  await eventually(async () => expect(await bellsInQueue()).toEqual([]));
  await system.api.put(type, {});
  const held = await system.submit(tenantName, "Quick");
  expect((await system.api.get(`/v1/jobs/${held}`)).body.waitsFor).toBe(`paused: job type Quick of ${tenantName}`);
  await resume();
  for (const jobId of [quick, held]) expect((await system.until(jobId)).state).toBe("succeeded");
});

it("many jobs of one tenant do not hold up the few of another: they start within the bound", async () => {
  await using place = await temporaryDirectory();
  const gate = join(place.path, "open");
  const [many, few] = [await newTenant(), await newTenant()];
  const batch = await system.api.post("/v1/batches", { tenantName: many, batchName: "Many" });
  const { batchId } = batch.body;
  const request = { tenantName: many, jobType: "Gate", jobName: "Gate", jobProcessorPackageName: "test.zip" };
  const jobs = Array.from({ length: 300 }, () => ({ ...request, parameters: gate }));
  expect((await system.api.post("/v1/jobs/bulk", { batchId, jobs })).status).toBe(200);
  await eventuallyFound(() => worker.runningCount === 2);

  // No job ends before the bells of the few are in the queue: how fast they come there depends on the machine.
  const fewIds = await Promise.all(Array.from({ length: 3 }, () => system.submit(few, "Quick")));
  const bells = await eventuallyFound(async () => {
    const rung = (await bellsInQueue()).map(({ parsed }) => (parsed.kind === "bell" ? parsed.bell.jobId : ""));
    return rung.some((jobId) => fewIds.includes(jobId)) ? rung : undefined;
  });
  // Eight are a share. The API and the refill may each ring for one at the same moment.
  expect(bells.filter((jobId) => !fewIds.includes(jobId)).length).toBeLessThanOrEqual(16);
  const openedAt = Date.now();
  await writeFile(gate, "");
  const started = await Promise.all(fewIds.map((jobId) => system.until(jobId, ({ startedAt }) => !!startedAt)));
  const first = Math.min(...started.map(({ startedAt }) => startedAt?.getTime() ?? Infinity));
  // The bound counts the jobs that start before it, on two slots.
  const { body: page } = await system.api.get(`/v1/batches/${batchId}/jobs?pageSize=500`);
  const startedBefore = (page.items as unknown as readonly JobView[]).filter(
    ({ startedAt = "" }) => Date.parse(startedAt) >= openedAt && Date.parse(startedAt) < first,
  );
  expect(startedBefore.length).toBeLessThanOrEqual(2 * startBoundMs(2, 2, 1));
  await system.api.post(`/v1/batches/${batchId}/cancel`);
});
