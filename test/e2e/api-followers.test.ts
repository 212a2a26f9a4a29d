/**
 * A hundred jobs, followed with every method: SignalR's client, EventSource, our client, a subscription on the topic,
 * and polling. APIs are processes as they are deployed; some are killed.
 */
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { busTopology, DEFAULT_POOL } from "../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus } from "../../runtime/local/bus/index.ts";
import { LOCAL_CALLER } from "../../runtime/api/auth/caller.ts";
import { JobServiceClient, type JobView } from "../../runtime/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startApiProcess, untilHearing, type ApiProcess } from "../support/processes/api-process.ts";
import {
  endsIn,
  expectWholeStories,
  followByClient,
  followByEventSource,
  followByHub,
  followOutside,
  storiesOf,
  type Follower,
} from "../support/events/followers.ts";
import { openSse } from "../support/events/sse-client.ts";
import { TcpProxy } from "../support/network/tcp-proxy.ts";
import { startRoundRobinProxy } from "../support/network/round-robin-proxy.ts";
import { testPackage } from "../support/packages/test-package.ts";
import { freshTenant } from "../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../support/test-system.ts";

const JOBS = 100;
const SLOTS = 8;
/** Number of ended jobs when something is killed: in the middle. */
const MIDDLE = 30;
const WAIT = { timeout: 100_000 };
/** Seconds are enough here, but the machine may be busy. */
const LIMIT_MS = 150_000;
const tenant = freshTenant();
let system: TestSystem;
let first: ApiProcess;
let second: ApiProcess;

beforeAll(async () => {
  system = await startTestSystem({ account: "apifollowers" });
  const jobs = { Steps: "for (let i = 1; i <= 4; i++) context.progress(i / 4); return { output: job.parameters };" };
  await system.publish(tenant, "test.zip", testPackage({ jobs, isolation: "reuse" }));
  [first, second] = await Promise.all([
    startApiProcess(system.bus, "api-a", system.connections),
    startApiProcess(system.bus, "api-b", system.connections),
  ]);
  await untilHearing([first, second], tenant);
});
afterAll(async () => {
  await Promise.all([first, second].map((api) => api[Symbol.asyncDispose]()));
  await system[Symbol.asyncDispose]();
});

const QUICK = { retry: { firstDelayMs: 20, maxDelayMs: 200 } };

async function submitAll(client: JobServiceClient, batchId: string): Promise<readonly string[]> {
  const request = { tenantName: tenant, jobType: "Steps", jobName: "steps", jobProcessorPackageName: "test.zip" };
  const ids: string[] = [];
  const requests = Array.from({ length: JOBS }, (_, number) => ({ ...request, parameters: number }));
  for await (const result of client.management.submitJobs(requests, batchId))
    if ("jobId" in result) ids.push(result.jobId);
  expect(new Set(ids).size).toBe(JOBS);
  return ids;
}

/** The result of polling all jobs. */
async function expectAllSucceeded(client: JobServiceClient, batchId: string, ids: readonly string[]): Promise<void> {
  const jobs: JobView[] = [];
  for await (const job of client.monitoring.getJobsFromBatch(batchId)) jobs.push(job);
  expect(new Set(jobs.map(({ jobId }) => jobId))).toEqual(new Set(ids));
  for (const { state, attempts, interruptions } of jobs)
    expect({ state, attempts, interruptions }).toEqual({ state: "succeeded", attempts: 1, interruptions: 0 });
  expect((await client.monitoring.getBatch(batchId)).counts).toMatchObject({ succeeded: JOBS, total: JOBS });
}

const endedIn = async (batchId: string): Promise<number> =>
  (await system.api.get(`/v1/batches/${batchId}`)).body.counts?.succeeded ?? 0;

describe("two instances behind a proxy that alternates between them", () => {
  it(
    "send all events of every job to every client with access, and none to others",
    async () => {
      await using proxy = await startRoundRobinProxy([first, second]);
      const client = new JobServiceClient(proxy.url, QUICK);
      const batchId = await client.management.createBatch({ tenantName: tenant, batchName: "All ways" });
      const followers = [
        await followByHub(proxy.url, batchId),
        await followByHub(proxy.url, batchId),
        await followByEventSource(proxy.url, batchId),
        await followByEventSource(proxy.url, batchId),
        await followByClient(client, batchId),
        await followByClient(new JobServiceClient(proxy.url), batchId),
        await followOutside(system.bus, batchId),
      ];
      expect(proxy.served.every((count) => count > 2)).toBe(true);
      await using stranger = await strangerTo(batchId);
      await using worker = await system.startWorker({ slots: SLOTS });
      const ids = await submitAll(client, batchId);
      await client.management.closeBatch(batchId);

      for (const follower of followers) {
        const { name, heard } = follower;
        await expect.poll(() => endsIn(heard), { ...WAIT, message: name }).toEqual({ jobs: JOBS, batches: 1 });
        expectWholeStories(follower, ids);
        expect(heard.filter(({ eventType }) => eventType === "batchCompleted").length, name).toBe(1);
        expect([follower.missedCount, follower.reconnectCount], name).toEqual([0, 0]);
        await follower[Symbol.asyncDispose]();
      }
      await expectAllSucceeded(client, batchId, ids);
      expect(stranger.heard).toEqual([]);
      await expect.poll(() => worker.runningCount).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    "take over clients of a killed instance: every gap is reported, and nothing arrives twice",
    async () => {
      await using proxy = await startRoundRobinProxy([first, second]);
      const client = new JobServiceClient(proxy.url, QUICK);
      const batchId = await client.management.createBatch({ tenantName: tenant, batchName: "One dies" });
      const followers = [
        await followByEventSource(proxy.url, batchId),
        await followByEventSource(proxy.url, batchId),
        await followByClient(client, batchId),
        await followByClient(new JobServiceClient(proxy.url, QUICK), batchId),
      ];
      const outside = await followOutside(system.bus, batchId);
      // One connection each, and nobody else's: they are at different instances.
      await using hubs = await startRoundRobinProxy([first, second]);
      await using hub = await followByHub(hubs.url, batchId, { skipNegotiation: true });
      await using other = await followByHub(hubs.url, batchId, { skipNegotiation: true });
      expect(hubs.served).toEqual([1, 1]);
      await using survivor = await followByEventSource(second.url, batchId);
      await using worker = await system.startWorker({ slots: SLOTS });
      const ids = await submitAll(client, batchId);
      await expect.poll(() => endedIn(batchId), { ...WAIT, interval: 20 }).toBeGreaterThan(MIDDLE);
      const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
      proxy.holdUntil(released);
      await first.kill();
      expect(await endedIn(batchId)).toBeLessThan(JOBS);
      await untilAsFar(survivor, followers);
      release(undefined);
      // The hub repeats nothing: the last event comes when the client that lost its instance has another.
      await expect.poll(() => hub.reconnectCount + other.reconnectCount, WAIT).toBe(1);
      await client.management.closeBatch(batchId);

      for (const follower of [...followers, outside]) {
        const { name, heard } = follower;
        await expect.poll(() => endsIn(heard), { ...WAIT, message: name }).toEqual({ jobs: JOBS, batches: 1 });
        expect(follower.missedCount, name).toBe(0);
        expectWholeStories(follower, ids);
        await follower[Symbol.asyncDispose]();
      }
      for (const follower of [hub, other]) {
        await expect.poll(() => endsIn(follower.heard).batches, WAIT).toBe(1);
        if (follower.reconnectCount > 0) continue;
        await expect.poll(() => endsIn(follower.heard).jobs, WAIT).toBe(JOBS);
        expectWholeStories(follower, ids);
      }
      expect([hub, other].map(({ reconnectCount }) => reconnectCount).toSorted()).toEqual([0, 1]);
      await expectAllSucceeded(client, batchId, ids);
      await expect.poll(() => worker.runningCount).toBe(0);
      await first.restart();
      await untilHearing([first], tenant);
    },
    LIMIT_MS,
  );
});

describe("one instance that is killed in the middle and starts again", () => {
  it(
    "blocks no client: every waitForJob returns, and gaps are reported",
    async () => {
      const client = new JobServiceClient(first.url, QUICK);
      const batchId = await client.management.createBatch({ tenantName: tenant, batchName: "Restart" });
      const followers = [await followByClient(client, batchId), await followByEventSource(first.url, batchId)];
      await using worker = await system.startWorker({ slots: SLOTS });
      const ids = await submitAll(client, batchId);
      const ends = Promise.all(ids.map((jobId) => client.waitForJob(jobId)));
      const whole = client.waitForBatch(batchId);
      await expect.poll(() => endedIn(batchId), { ...WAIT, interval: 20 }).toBeGreaterThan(MIDDLE);
      await first.kill();
      expect(await endedIn(batchId)).toBeLessThan(JOBS);
      expect(worker.runningCount).toBeGreaterThan(0);
      await first.restart();

      const jobs = await ends;
      expect(jobs.map(({ jobId, state, output }) => [jobId, state, output])).toEqual(
        ids.map((jobId, number) => [jobId, "succeeded", number]),
      );
      expect((await whole).counts).toMatchObject({ succeeded: JOBS, total: JOBS });
      await expectAllSucceeded(client, batchId, ids);
      for (const follower of followers) {
        const { name } = follower;
        await expect.poll(() => follower.missedCount, { ...WAIT, message: name }).toBeGreaterThan(0);
        for (const story of storiesOf(follower).values())
          expect(story.filter(({ eventType }) => eventType === "jobCompleted").length, name).toBeLessThanOrEqual(1);
      }
      // A reconnected client receives events again.
      await client.management.closeBatch(batchId);
      for (const { name, heard } of followers)
        await expect.poll(() => endsIn(heard).batches, { ...WAIT, message: name }).toBe(1);
      for (const follower of followers) await follower[Symbol.asyncDispose]();
    },
    LIMIT_MS,
  );
});

it("a client that connects before an instance receives events gets missed once, and then the events", async () => {
  const bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) });
  await using ends = new AsyncDisposableStack();
  ends.defer(() => bus.close());
  const adminPort = Number(/:(\d+)\/?;/.exec(bus.adminConnectionString ?? "")?.[1]);
  await using proxy = await TcpProxy.to(adminPort);
  proxy.stall();
  const adminConnectionString = bus.adminConnectionString?.replace(`:${adminPort}`, `:${proxy.port}`);
  await using api = await startApiProcess({ ...bus, adminConnectionString }, "api-deaf", system.connections);
  await using client = await openSse(`${api.url}/v1/events?tenantName=${tenant}`);
  proxy.resume();
  const heard = () => client.messages.map(({ event }) => event);
  await expect.poll(heard, { timeout: 20_000 }).toEqual(["missed"]);
  await untilHearing([api], tenant);
  await expect.poll(heard, { timeout: 20_000 }).toEqual(expect.arrayContaining(["jobQueued", "jobCompleted"]));
  expect(heard().filter((event) => event === "missed")).toEqual(["missed"]);
});

/**
 * Resolves when the one has heard all that the others have. An instance reports a gap to a client that comes to it before
 * the last event that the client had elsewhere.
 */
async function untilAsFar(one: Follower, others: readonly Follower[]): Promise<void> {
  await eventually(() => {
    const known = new Set(one.heard.map((event) => JSON.stringify(event)));
    const ahead = others.flatMap(({ heard }) => heard).filter((event) => !known.has(JSON.stringify(event)));
    expect(ahead).toEqual([]);
  });
}

/** Connected to an instance that knows it, without access to the tenant. */
async function strangerTo(batchId: string) {
  const api = await system.anotherApi({ caller: { ...LOCAL_CALLER, mayUse: () => false } });
  const connection = new HubConnectionBuilder().withUrl(`${api.url}/hubs/jobs`).configureLogging(LogLevel.None).build();
  const client = new JobServiceClient(api.url, QUICK);
  const heard: unknown[] = [];
  for (const name of ["jobQueued", "jobStarted", "jobProgressed", "jobCompleted", "batchCompleted"] as const) {
    connection.on(name, (event) => void heard.push(event));
    client.notifications.on(name, (event) => void heard.push(event));
  }
  await connection.start();
  await expect(connection.invoke("SubscribeToBatch", batchId)).rejects.toThrow(/BatchNotFound/);
  await expect(connection.invoke("SubscribeToTenant", tenant)).rejects.toThrow(/TenantNotFound/);
  await expect(client.notifications.subscribeToBatch(batchId)).rejects.toMatchObject({ code: "BatchNotFound" });
  await expect(client.notifications.subscribeToTenant(tenant)).rejects.toMatchObject({ code: "TenantNotFound" });
  return { heard, [Symbol.asyncDispose]: () => connection.stop() };
}
