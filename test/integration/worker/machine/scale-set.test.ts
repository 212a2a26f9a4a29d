import { silentUnreadable } from "../../../support/silent.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ReleasePointer } from "../../../../runtime/core/ports/release-reader.ts";
import { serveHealth } from "../../../../runtime/worker/machine/health.ts";
import { startFakeMetadataService, type FakeMetadataService } from "../../../support/machine/fake-metadata-service.ts";
import {
  INSTANCE_GONE,
  startFakeResourceManager,
  type FakeResourceManager,
} from "../../../support/machine/fake-resource-manager.ts";
import { recordingLog } from "../../../support/recording-log.ts";
import { testPackage } from "../../../support/packages/test-package.ts";
import { freshTenant } from "../../../support/stores/test-storage.ts";
import { startTestSystem, type TestMachine, type TestSystem } from "../../../support/test-system.ts";

const tenant = freshTenant();
let metadata: FakeMetadataService;
let arm: FakeResourceManager;
let system: TestSystem;

const LONG_MS = 3_600_000;
/** Reserve before an event, and what is left of it for the jobs in these tests. */
const RESERVE_MS = 60_000;
const EVENT_POLL_MS = 20;
const IDLE_GRACE_MS = 3_000;
/** A worker's, which waits for Azure for a part of it, and holds its message longer than a busy machine pauses. */
const SHORT_LOCK_MS = 8_000;

beforeEach(async () => {
  metadata = await startFakeMetadataService();
  arm = await startFakeResourceManager(metadata.resourceId);
  // One system for each: a message that another test's worker might take would prove nothing.
  system = await startTestSystem();
  const zip = testPackage({
    jobs: {
      Quick: `return { output: "done" };`,
      Waits: `await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
      WaitsOnce: `if (job.interruption === 0) {
        await new Promise((_, reject) => context.signal.addEventListener("abort", reject));
      }
      return { output: "the second time" };`,
    },
  });
  await system.publish(tenant, "test.zip", zip);
  return async () => {
    await system[Symbol.asyncDispose]();
    await arm[Symbol.asyncDispose]();
    await metadata[Symbol.asyncDispose]();
  };
});

const onScaleSet = (
  fields: { protection?: "required" | "best-effort" | "off"; idleGraceMs?: number } = {},
): TestMachine => ({
  pace: { eventPollMs: EVENT_POLL_MS },
  settings: {
    scaleSet: {
      metadataUrl: metadata.url,
      resourceManagerUrl: arm.url,
      identityClientId: undefined,
      protection: "required",
      idleGraceMs: LONG_MS,
      ...fields,
    },
  },
});

const SECONDS = { timeout: 60_000, interval: 20 };
/** A worker whose machine scale-in may take, because there was nothing to do. */
const unprotected = () => expect.poll(() => arm.changes.map(({ protect }) => protect), SECONDS).toEqual([true, false]);

describe("a worker on a scale set", () => {
  it("a worker is protected before its first job and unprotected after idle time", async () => {
    arm.next({ afterMs: 400 });
    const jobId = await system.submit(tenant, "Quick");
    await using worker = await system.startWorker({ machine: onScaleSet({ idleGraceMs: IDLE_GRACE_MS }) });
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", executions: 1 });
    expect(job.history).toMatchObject([{ workerId: worker.workerId }]);
    expect(job.startedAt!.getTime()).toBeGreaterThanOrEqual(arm.changes[0]!.at);
    await unprotected();
    expect(arm.changes[1]!.at - job.endedAt!.getTime()).toBeGreaterThanOrEqual(IDLE_GRACE_MS);
    const shown = async () => (await system.api.workers.get("default", worker.workerId))?.isProtected;
    await expect.poll(shown, SECONDS).toBe(false);
  });

  it("an unprotected worker lets a job wait until it is protected", async () => {
    await using worker = await system.startWorker({ machine: onScaleSet({ idleGraceMs: 0 }) });
    await unprotected();
    arm.next({ accepted: 202, by: "operation", polls: 3 });
    const job = await system.until(await system.submit(tenant, "Quick"));
    expect(arm.changes[2]).toMatchObject({ protect: true });
    expect(job.startedAt!.getTime()).toBeGreaterThanOrEqual(arm.changes[2]!.at);
    expect(job).toMatchObject({ state: "succeeded", executions: 1, history: [{ workerId: worker.workerId }] });
  });

  it("a worker starts no job while Azure is silent, and another worker runs it", async () => {
    const log = recordingLog();
    await using worker = await system.startWorker({
      log,
      lockMs: SHORT_LOCK_MS,
      machine: onScaleSet({ idleGraceMs: 0 }),
    });
    await unprotected();
    arm.always("silence");
    const jobId = await system.submit(tenant, "Quick");
    await expect
      .poll(() => log.messages(), SECONDS)
      .toContain("this machine may not start work; the message goes back");
    expect((await system.api.jobs.get(jobId))!.value).toMatchObject({ state: "queued", executions: 0 });

    await using other = await system.startWorker();
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", attempts: 0, interruptions: 0, executions: 1 });
    expect(job.history).toMatchObject([{ workerId: other.workerId }]);
    expect(worker.runningCount).toBe(0);
  });

  it("a worker receives nothing before it is protected for the first time", async () => {
    arm.always("silence");
    await using worker = await system.startWorker({ machine: onScaleSet() });
    await using other = await system.startWorker();
    const jobIds = await Promise.all(Array.from({ length: 5 }, () => system.submit(tenant, "Quick")));
    for (const jobId of jobIds) {
      expect((await system.until(jobId)).history).toMatchObject([{ workerId: other.workerId }]);
    }
    expect(arm.puts).toHaveLength(1);
    expect(worker.runningCount).toBe(0);
  });

  it("a worker with best-effort protection runs its jobs while Azure is silent", async () => {
    arm.always("silence");
    await using worker = await system.startWorker({
      lockMs: SHORT_LOCK_MS,
      machine: onScaleSet({ protection: "best-effort" }),
    });
    const job = await system.until(await system.submit(tenant, "Quick"));
    expect(job).toMatchObject({ state: "succeeded", history: [{ workerId: worker.workerId }] });
  });

  it("a worker without protection makes no requests to Azure", async () => {
    await using worker = await system.startWorker({ machine: onScaleSet({ protection: "off" }) });
    const job = await system.until(await system.submit(tenant, "Quick"));
    expect(job).toMatchObject({ state: "succeeded", history: [{ workerId: worker.workerId }] });
    expect(arm.puts).toEqual([]);
  });

  it("a worker returns its message and drains when its instance is deleted", async () => {
    const log = recordingLog();
    await using worker = await system.startWorker({ log, machine: onScaleSet({ idleGraceMs: 0 }) });
    await unprotected();
    arm.always(INSTANCE_GONE);
    const jobId = await system.submit(tenant, "Quick");
    await expect.poll(() => log.messages(), SECONDS).toContain("drained");
    await using other = await system.startWorker();
    expect((await system.until(jobId)).history).toMatchObject([{ workerId: other.workerId }]);
    expect(worker.runningCount).toBe(0);
  });
});

describe("scheduled events", () => {
  it("Terminate while idle stops receiving and is approved at once", async () => {
    const log = recordingLog();
    await using worker = await system.startWorker({ log, machine: onScaleSet() });
    const eventId = metadata.schedule("Terminate");
    await expect.poll(() => metadata.approved, SECONDS).toEqual([eventId]);
    const jobId = await system.submit(tenant, "Quick");
    await using other = await system.startWorker();
    expect((await system.until(jobId)).history).toMatchObject([{ workerId: other.workerId }]);
    expect(worker.runningCount).toBe(0);
    expect(log.messages()).toContain("drained");
  });

  it("events of another machine change nothing", async () => {
    await using worker = await system.startWorker({ machine: onScaleSet() });
    metadata.schedule("Terminate", { inMs: 0, resources: ["workers_5"] });
    const { polls } = metadata;
    await expect.poll(() => metadata.polls, SECONDS).toBeGreaterThan(polls + 2);
    const job = await system.until(await system.submit(tenant, "Quick"));
    expect(job).toMatchObject({ state: "succeeded", history: [{ workerId: worker.workerId }] });
    expect(metadata.approved).toEqual([]);
  });

  it("Terminate while busy gives the job its time, hands it back and is approved then", async () => {
    await using worker = await system.startWorker({ machine: onScaleSet() });
    const jobId = await system.submit(tenant, "WaitsOnce");
    await system.until(jobId, ({ state }) => state === "running");
    const eventId = metadata.schedule("Terminate", { inMs: RESERVE_MS + 500 });
    await expect.poll(() => metadata.approved, SECONDS).toEqual([eventId]);
    expect((await system.api.jobs.get(jobId))!.value).toMatchObject({
      state: "queued",
      attempts: 0,
      interruptions: 1,
      history: [{ outcome: "interrupted" }],
    });
    expect(worker.runningCount).toBe(0);
    expect(arm.protected).toBe(true);

    await using other = await system.startWorker();
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", attempts: 0, interruptions: 1, executions: 2 });
    expect(job.history[1]).toMatchObject({ workerId: other.workerId });
  });

  it("Preempt while busy hands the job back at once", async () => {
    await using worker = await system.startWorker({ machine: onScaleSet() });
    const jobId = await system.submit(tenant, "Waits");
    await system.until(jobId, ({ state }) => state === "running");
    const eventId = metadata.schedule("Preempt", { inMs: 30_000 });
    await expect.poll(() => metadata.approved, SECONDS).toEqual([eventId]);
    const { value: job } = (await system.api.jobs.get(jobId))!;
    expect(job).toMatchObject({ state: "queued", attempts: 0, interruptions: 1 });
    expect(job.history).toMatchObject([{ workerId: worker.workerId }]);
  });

  it("a drained worker ends when its event is called off", async () => {
    await using worker = await system.startWorker({ machine: onScaleSet() });
    const eventId = metadata.schedule("Reboot");
    await expect.poll(() => metadata.approved, SECONDS).toEqual([eventId]);
    metadata.cancel(eventId);
    await worker.ended;
  });

  it("events are read again after an outage of the metadata service", async () => {
    metadata.fail("scheduledevents", 500, 429, 503);
    await using worker = await system.startWorker({ machine: onScaleSet() });
    const eventId = metadata.schedule("Redeploy");
    await expect.poll(() => metadata.approved, SECONDS).toEqual([eventId]);
    expect(worker.runningCount).toBe(0);
  });
});

describe("a worker that follows releases", () => {
  const release = (version: string): ReleasePointer => ({
    version,
    blob: `worker/${version}.tgz`,
    sha256: "0".repeat(64),
  });
  let pointer: ReleasePointer | undefined;
  let reads = 0;
  const following: TestMachine = {
    settings: { releasePatienceMs: LONG_MS },
    releases: {
      current: () => {
        reads++;
        return Promise.resolve(pointer);
      },
    },
  };
  const readAgain = (): Promise<void> => {
    const before = reads;
    return expect.poll(() => reads, SECONDS).toBeGreaterThan(before + 1);
  };

  beforeEach(() => {
    pointer = release("test");
  });

  it("an idle worker ends when the pointer names another version", async () => {
    await using worker = await system.startWorker({ machine: following });
    pointer = undefined;
    await readAgain();
    pointer = release("test");
    await readAgain();
    expect(await system.until(await system.submit(tenant, "Quick"))).toMatchObject({ state: "succeeded" });
    pointer = release("next");
    await worker.ended;
  });

  it("a worker with several slots ends after its job", async () => {
    await using worker = await system.startWorker({ slots: 2, machine: following });
    const jobId = await system.submit(tenant, "Waits");
    await system.until(jobId, ({ state }) => state === "running");
    pointer = release("next");
    await readAgain();
    expect(await system.until(await system.submit(tenant, "Quick"))).toMatchObject({ state: "succeeded" });
    await expect.poll(() => worker.runningCount, SECONDS).toBe(1);
    await system.api.post(`/v1/jobs/${jobId}/cancel`, {});
    expect(await system.until(jobId)).toMatchObject({ state: "canceled" });
    await worker.ended;
  });

  it("a busy worker stops receiving after a while and ends after its jobs", async () => {
    await using worker = await system.startWorker({
      slots: 2,
      machine: { ...following, settings: { releasePatienceMs: 100 } },
    });
    const jobId = await system.submit(tenant, "Waits");
    await system.until(jobId, ({ state }) => state === "running");
    pointer = release("next");
    await using other = await system.startWorker();
    // Everything goes to the other one from the moment on that this one has stopped receiving.
    await expect
      .poll(async () => (await system.until(await system.submit(tenant, "Quick"))).history[0]?.workerId, SECONDS)
      .toBe(other.workerId);
    expect((await system.api.jobs.get(jobId))!.value).toMatchObject({ state: "running", interruptions: 0 });
    await system.api.post(`/v1/jobs/${jobId}/cancel`, {});
    await worker.ended;
    expect((await system.until(jobId)).interruptions).toBe(0);
  });
});

describe("a worker's health", () => {
  const serving = async (isWell: () => boolean, unreadable = silentUnreadable) => {
    const since = new Date("2026-03-01T08:00:00Z");
    const notReady = () => (isWell() ? [] : [{ part: "broker", since }]);
    const metrics = { text: () => Promise.resolve("up 1\n"), token: "secret" };
    const server = await serveHealth(0, { isWell, notReady, unreadable, metrics });
    return { port: server.port, [Symbol.asyncDispose]: () => server.close() };
  };
  let away: TestSystem;
  beforeAll(async () => {
    away = await startTestSystem();
  });
  afterAll(() => away[Symbol.asyncDispose]());

  it("a worker answers /health as the extension expects", async () => {
    await using worker = await away.startWorker({ machine: { settings: { healthPort: 0 } } });
    const url = `http://127.0.0.1:${worker.healthPort!}`;
    const answer = await fetch(`${url}/health`);
    expect([answer.status, await answer.json()]).toEqual([200, { ApplicationHealthState: "Healthy" }]);
    await using ill = await serving(() => false);
    expect(await (await fetch(`http://127.0.0.1:${ill.port}/health`)).json()).toEqual({
      ApplicationHealthState: "Unhealthy",
    });
    expect((await fetch(`${url}/other`)).status).toBe(404);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: "ok" });
    const refused = await fetch(`http://127.0.0.1:${ill.port}/readyz`);
    expect([refused.status, await refused.json()]).toEqual([
      503,
      { status: "unavailable", notReady: [{ part: "broker", since: "2026-03-01T08:00:00.000Z" }] },
    ]);
    await using older = await serving(() => true, { ...silentUnreadable, formats: () => ["bell"] });
    const told = await fetch(`http://127.0.0.1:${older.port}/readyz`);
    expect([told.status, await told.json()]).toEqual([200, { status: "ok", unreadable: ["bell"] }]);
    expect((await fetch(`${url}/health`, { method: "POST" })).status).toBe(404);
  });

  it("a worker gives its metrics to who brings its token, because jobs of the machine can connect too", async () => {
    await using worker = await serving(() => true);
    const url = `http://127.0.0.1:${worker.port}/metrics`;
    const read = (authorization?: string) =>
      fetch(url, { headers: authorization === undefined ? {} : { authorization } });
    for (const wrong of [undefined, "Bearer", "Bearer ", "Bearer secret2", "secret"]) {
      expect((await read(wrong)).status, wrong).toBe(401);
    }
    const told = await read("Bearer secret");
    expect([told.status, await told.text()]).toEqual([200, "up 1\n"]);
    expect(told.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect((await fetch(url, { method: "POST", headers: { authorization: "Bearer secret" } })).status).toBe(404);
  });
});
