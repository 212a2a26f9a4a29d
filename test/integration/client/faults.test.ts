import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobServiceClient, type JobServiceClientOptions, type SubmittedJob } from "../../../runtime/client/index.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { breadth } from "../../support/breadth.ts";
import { holdLimits, LIMIT_MS } from "./client-limit.ts";
import { startHttpFaultProxy, type HttpFate, type HttpFaultProxy } from "../../support/network/fault-proxy.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let world: ApiWithQueue;
let proxy: HttpFaultProxy;
let limits: ReturnType<typeof holdLimits>;
beforeAll(async () => {
  limits = holdLimits();
  world = await startApiWithQueue();
  proxy = await startHttpFaultProxy(world.api.url);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  limits[Symbol.dispose]();
});

const FAULTS: readonly HttpFate[] = ["drop", "lose", "half", "hang", "429", "502", "503"];
const QUICK = { retry: { firstDelayMs: 5, maxDelayMs: 20, maxAttempts: 20 } };
const clientOf = (options: JobServiceClientOptions = {}): JobServiceClient =>
  new JobServiceClient(proxy.url, { ...QUICK, answerWithinMs: LIMIT_MS, ...options });

/** A hanging request never gets a response: the client's limit passes, here at once. */
function met(fate: HttpFate): HttpFate {
  if (fate === "hang") queueMicrotask(limits.pass);
  return fate;
}

/** The first requests get one fault each; the rest succeed. */
function firstMeet(...fates: readonly HttpFate[]): void {
  const left = [...fates];
  proxy.decide = () => met(left.shift() ?? "pass");
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const countIn = async (batchId: string) => (await world.api.get(`/v1/batches/${batchId}`)).body.counts?.total;

describe.each(FAULTS)("a request that meets %s", (fault) => {
  it("creates one batch and one job, and returns their ids", async () => {
    const tenantName = freshTenant();
    const client = clientOf();
    firstMeet(fault, fault);
    const batchId = await client.management.createBatch({ tenantName, batchName: "One" });
    firstMeet(fault, fault);
    const jobId = await client.management.submitJob(jobRequestOf(tenantName), batchId);
    firstMeet(fault);
    expect(await client.monitoring.getJob(jobId)).toMatchObject({ jobId, batchId, state: "queued" });
    firstMeet(fault);
    expect(await all(client.monitoring.getBatches(tenantName))).toMatchObject([{ batchId }]);
    expect(await countIn(batchId)).toBe(1);
    expect(await world.bellIdsOf(jobId)).toEqual([`${jobId}:1`]);
  });

  it("submits each of many jobs once, and returns each result in order", async () => {
    const tenantName = freshTenant();
    firstMeet();
    const client = clientOf();
    const batchId = await client.management.createBatch({ tenantName, batchName: "Many" });
    firstMeet(fault, "pass", fault);
    const jobs = Array.from({ length: 250 }, (_, i) =>
      i === 120 ? { ...jobRequestOf(tenantName), jobType: "" } : jobRequestOf(tenantName, { parameters: i }),
    );
    const results = await all(client.management.submitJobs(jobs, batchId, { jobsPerRequest: 100 }));
    expect(results.map(({ index }) => index)).toEqual(jobs.map((_, i) => i));
    expect(results[120]).toMatchObject({ error: { code: "InvalidRequest" } });
    const ids = results.flatMap((result) => ("jobId" in result ? [result.jobId] : []));
    expect(new Set(ids).size).toBe(249);
    expect(await countIn(batchId)).toBe(249);
    const stored = await all(client.monitoring.getJobsFromBatch(batchId, { pageSize: 100 }));
    const byId = new Map(stored.map((job) => [job.jobId, job.parameters]));
    results.forEach((result, i) => {
      if ("jobId" in result) expect(byId.get(result.jobId)).toBe(i);
    });
  });

  it("cancels and requeues a job, and reads its log and a missing artifact", async () => {
    const tenantName = freshTenant();
    firstMeet();
    const client = clientOf();
    const jobId = await client.management.submitJob(jobRequestOf(tenantName));
    firstMeet(fault);
    expect((await client.management.cancelJob(jobId)).state).toBe("canceled");
    firstMeet(fault);
    expect((await client.management.requeueJob(jobId)).state).toBe("queued");
    firstMeet(fault);
    expect(await client.monitoring.getLog(jobId)).toBe("");
    firstMeet(fault);
    await expect(client.monitoring.openArtifact(jobId, "a b/c?.txt")).rejects.toMatchObject({
      code: "ArtifactNotFound",
      status: 404,
      message: "The job has no artifact a b/c?.txt.",
    });
  });
});

describe("a network that fails at random", () => {
  it.each(breadth([1], [1, 2, 3]))("loses and duplicates nothing (seed %i)", async (seed) => {
    const random = seededRandom(seed);
    const tenantName = freshTenant();
    firstMeet();
    const client = clientOf({ retry: { ...QUICK.retry, maxAttempts: 40 } });
    const batchId = await client.management.createBatch({ tenantName, batchName: "Rough" });
    proxy.decide = () => (random.chance(0.5) ? random.pick(FAULTS.filter((fault) => fault !== "hang")) : "pass");
    async function* source() {
      for (let i = 0; i < 600; i++) yield await Promise.resolve(jobRequestOf(tenantName, { parameters: i }));
    }
    const results: SubmittedJob[] = await all(client.management.submitJobs(source(), batchId, { jobsPerRequest: 60 }));
    const single = await Promise.all(
      Array.from({ length: 20 }, () => client.management.submitJob(jobRequestOf(tenantName), batchId)),
    );
    firstMeet();
    const ids = [...results.flatMap((result) => ("jobId" in result ? [result.jobId] : [])), ...single];
    expect(new Set(ids).size).toBe(620);
    expect(await countIn(batchId)).toBe(620);
  });
});

describe("an error that no retry can fix", () => {
  it("is thrown at once, with the service's code and the request's id", async () => {
    firstMeet();
    proxy.requests.length = 0;
    const error = await clientOf()
      .management.submitJob({ ...jobRequestOf("acme"), jobName: "" })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: "JobServiceError",
      code: "InvalidRequest",
      status: 400,
      target: "jobName",
      details: [{ target: "jobName" }],
      requestId: expect.any(String) as string,
      retryable: false,
    });
    expect(proxy.requests.length).toBe(1);
  });

  it("is thrown unchanged after the last try", async () => {
    const retry = { ...QUICK.retry, maxAttempts: 3 };
    for (const [fate, code] of [
      ["drop", "NetworkFailed"],
      ["hang", "NetworkFailed"],
      ["429", "TooManyRequests"],
      ["503", "StorageUnavailable"],
      ["502", "AnswerInvalid"],
    ] as const) {
      proxy.requests.length = 0;
      proxy.decide = () => met(fate);
      const client = clientOf({ retry });
      await expect(client.monitoring.getJob("acme.1.00.1")).rejects.toMatchObject({ code, retryable: true });
      expect(proxy.requests.length).toBe(3);
    }
  });

  it("ends with the reason of the caller's signal", async () => {
    proxy.decide = () => "hang";
    const reason = new Error("enough");
    const end = new AbortController();
    const call = clientOf().monitoring.getJob("acme.1.00.1", { signal: end.signal });
    await expect.poll(() => proxy.requests.length).toBeGreaterThan(0);
    end.abort(reason);
    await expect(call).rejects.toBe(reason);
  });
});
