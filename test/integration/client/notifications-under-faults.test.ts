/** Notifications of the real service over a network that breaks streams and refuses new ones. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import { breadth } from "../../support/breadth.ts";
import { startHttpFaultProxy, type HttpFate } from "../../support/network/fault-proxy.ts";
import { endsIn, expectWholeStories, followByClient } from "../../support/events/followers.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

const JOBS = 60;
/** The network breaks all open connections after each number of received events. */
const CUT_EVERY = 20;
const FAULTS: readonly HttpFate[] = ["drop", "429", "502", "503"];
const tenant = freshTenant();
let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem();
  const jobs = { Steps: "for (let i = 1; i <= 3; i++) context.progress(i / 3); return { output: job.parameters };" };
  await system.publish(tenant, "test.zip", testPackage({ jobs, isolation: "reuse" }));
});
afterAll(() => system[Symbol.asyncDispose]());

it.each(breadth([1], [1, 2]))(
  "come once and in order, and every job is waited for and submitted once (seed %i)",
  async (seed) => {
    const random = seededRandom(seed);
    await using proxy = await startHttpFaultProxy(system.api.url);
    const client = new JobServiceClient(proxy.url, {
      retry: { firstDelayMs: 5, maxDelayMs: 50, maxAttempts: 40 },
    });
    const batchId = await client.management.createBatch({ tenantName: tenant, batchName: "Rough" });
    await using follower = await followByClient(client, batchId);
    let cutCount = 0;
    const stop = client.notifications.on("jobProgressed", () => {
      if (follower.heard.length < CUT_EVERY * (cutCount + 1)) return;
      cutCount++;
      proxy.cut();
    });
    // The cuts also break long responses.
    proxy.decide = ({ path }) =>
      random.chance(0.4) ? random.pick(path.startsWith("/v1/events") ? ["drop", "429", "503"] : FAULTS) : "pass";

    await using worker = await system.startWorker({ slots: 4 });
    const request = { tenantName: tenant, jobType: "Steps", jobName: "steps", jobProcessorPackageName: "test.zip" };
    const requests = Array.from({ length: JOBS }, (_, number) => ({ ...request, parameters: number }));
    const ids: string[] = [];
    for await (const result of client.management.submitJobs(requests, batchId, { jobsPerRequest: 20 }))
      if ("jobId" in result) ids.push(result.jobId);
    const ends = await Promise.all(ids.map((jobId) => client.waitForJob(jobId)));
    expect(ends.map(({ state, output }) => [state, output])).toEqual(ids.map((_, number) => ["succeeded", number]));
    await client.management.closeBatch(batchId);

    await expect.poll(() => endsIn(follower.heard), { timeout: 40_000 }).toEqual({ jobs: JOBS, batches: 1 });
    stop();
    await expect.poll(() => worker.runningCount).toBe(0);
    expectWholeStories(follower, ids);
    // The client drops repeats, and a single instance keeps every event that a client may have lost.
    expect(new Set(follower.heard.map((event) => JSON.stringify(event))).size).toBe(follower.heard.length);
    expect(follower.missedCount).toBe(0);
    expect(cutCount).toBeGreaterThan(2);
    const streams = proxy.requests.filter(({ path }) => path.startsWith("/v1/events"));
    expect(streams.filter(({ headers }) => headers["last-event-id"] !== undefined).length).toBeGreaterThan(2);
    expect((await client.monitoring.getBatch(batchId)).counts).toMatchObject({ succeeded: JOBS, total: JOBS });
  },
);
