/**
 * This release beside a later one, over the same storage and bus: the later one writes what this one does not know. Nothing
 * may be judged, dead-lettered or lost, and a rollback goes on with what the later one has left.
 */
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchKeys } from "../../../runtime/azure/tables/batch-store.ts";
import { jobKeys } from "../../../runtime/azure/tables/job-entity.ts";
import { parseJobId } from "../../../runtime/core/job/ids.ts";
import { DEFAULT_POOL, EVENTS_TOPIC, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { createUnreadable } from "../../../runtime/core/unreadable.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { withTimerBatches } from "../../../runtime/timers/run/timer-runs.ts";
import { sweepBatches } from "../../../runtime/sweeper/sweep-batches.ts";
import { sweepDeadLetters } from "../../../runtime/sweeper/sweep-dead-letters.ts";
import { eventually } from "../../support/eventually.ts";
import { type LaterRelease, laterRelease } from "./later-release.ts";
import { hearFrom } from "../../support/events/test-events.ts";
import { silentEvents, silentLog } from "../../support/silent.ts";
import { createAzureStores } from "../../support/stores/azure-stores.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import { buildZip } from "../../support/packages/zip-builder.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

const QUEUE = jobQueueName(DEFAULT_POOL, "normal");
const HOUR_MS = 60 * 60_000;
const PACKAGE = testPackage({ jobs: { Quick: "return { output: 1 };" } });

/** A message that a worker cannot read waits for its end. */
const LOCK_MS = 8_000;

let tenant: string;
let system: TestSystem;
let later: LaterRelease;
let laterApi: TestApi;
beforeEach(async () => {
  tenant = freshTenant();
  system = await startTestSystem({ lockMs: LOCK_MS });
  later = laterRelease(system.bus.connectionString);
  laterApi = await startTestApi(later.wrapQueue(system.queue()), { bus: system.bus, stores: createAzureStores() });
  await system.publish(tenant, "test.zip", PACKAGE);
});
afterEach(async () => {
  await laterApi[Symbol.asyncDispose]();
  await later[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

async function submitToLater(): Promise<string> {
  const request = { tenantName: tenant, jobType: "Quick", jobName: "quick", jobProcessorPackageName: "test.zip" };
  const { status, body } = await laterApi.post("/v1/jobs", request);
  expect(status).toBe(201);
  return body.jobId;
}

const olderWorker = () => system.startWorker({ slots: 2, machine: { settings: { healthPort: 0 } } });
const laterWorker = () => system.startWorker({ wrapQueue: later.wrapQueue });
const letters = () => system.queue().peek(QUEUE, { deadLetter: true, maxCount: 100 });
const readyz = async (port: number | undefined): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${port!}/readyz`)).json();

/** One round of this release's sweeper, an hour from now, in this tenant's batch alone. */
async function sweep(jobId: string): Promise<{ readonly bellsSent: number; readonly noted: readonly unknown[] }> {
  const { jobs, batches, timers, workers } = createAzureStores();
  const queue = system.queue();
  const noted: unknown[] = [];
  const unreadable = createUnreadable({
    monotonicNow: () => 0,
    log: {
      ...silentLog,
      // Other tests leave unreadable batches in the same storage.
      warn(told) {
        if ((told as { readonly key?: string }).key === batchId) noted.push(told);
      },
    },
  });
  const { batchId } = parseJobId(jobId)!;
  const { bellsSent } = await sweepBatches(
    {
      ...{
        jobs,
        queue,
        unreadable,
        events: silentEvents,
        log: silentLog,
        announce: () => Promise.resolve(),
        lockMs: LOCK_MS,
        marginMs: 500,
      },
      completion: withTimerBatches(
        createBatchCompletion({ batches, jobs, events: silentEvents, now: () => new Date() }),
        { jobs, timers, queue },
      ),
      batches: {
        update: (...given) => batches.update(...given),
        async *active(onUnreadable) {
          for await (const batch of batches.active(onUnreadable)) if (batch.value.batchId === batchId) yield batch;
        },
      },
      workers: { list: () => Promise.resolve([]), requestCancel: (...given) => workers.requestCancel(...given) },
      now: () => new Date(Date.now() + HOUR_MS),
    },
    { thorough: true },
  );
  return { bellsSent, noted };
}

describe("a worker beside a later API", () => {
  it("a worker returns a message of a later release and goes on with others", async () => {
    await using worker = await olderWorker();
    const jobId = await submitToLater();
    await eventually(async () => {
      expect(await readyz(worker.healthPort)).toEqual({ status: "ok", unreadable: ["bell"] });
    });
    expect(await system.until(await system.submit(tenant, "Quick"))).toMatchObject({ state: "succeeded" });
    expect((await system.api.jobs.get(jobId))?.value).toMatchObject({ state: "queued", executions: 0, history: [] });
    expect(await letters()).toEqual([]);
    await worker.drain(0);

    await using newer = await laterWorker();
    const ended = await system.until(jobId);
    expect(ended).toMatchObject({ state: "succeeded", executions: 1, interruptions: 0, attempts: 0 });
    expect(ended.history[0]?.workerId).toBe(newer.workerId);
    expect(await letters()).toEqual([]);
  });

  it("keeps columns of the later release on a job that it runs", async () => {
    const jobId = await system.submit(tenant, "Quick", { runAt: new Date(Date.now() + 500).toISOString() });
    const { rows } = createAzureStores();
    await rows.merge("jobs", jobKeys(jobId), { laterText: "kept" });
    await using worker = await olderWorker();
    const { workerId } = worker;
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", history: [{ workerId }] });
    expect(await rows.get("jobs", jobKeys(jobId))).toMatchObject({ laterText: "kept" });
  });

  it("interrupts a job whose package is of a later release, at no cost to it, and runs it when it can", async () => {
    const manifest = { manifestVersion: 2, name: "later", parts: [] };
    const zip = buildZip([{ name: "job.json", content: JSON.stringify(manifest) }]);
    await system.publish(tenant, "later.zip", zip);
    await using worker = await olderWorker();
    const retry = { initialDelayMs: 1_000, maxDelayMs: 1_000 };
    const fields = { jobProcessorPackageName: "later.zip", retry };
    const jobId = await system.submit(tenant, "Quick", fields);
    const { history, attempts } = await system.until(jobId, ({ interruptions }) => interruptions > 0);
    expect(attempts).toBe(0);
    const { workerId } = worker;
    expect(history[0]).toMatchObject({ workerId, outcome: "interrupted", code: "FormatUnknown" });
    await system.publish(tenant, "later.zip", PACKAGE);
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", attempts: 0 });
  });
});

describe("after a rollback", () => {
  it("what the later release has accepted and not run is run by this one, once", async () => {
    const jobId = await submitToLater();
    await using worker = await olderWorker();
    await eventually(async () => expect(await readyz(worker.healthPort)).toHaveProperty("unreadable"));
    expect(await sweep(jobId)).toMatchObject({ bellsSent: 1 });
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", executions: 1, interruptions: 0 });
    expect(await letters()).toEqual([]);
    // The later release comes again, and finds that its message is no longer needed.
    await worker.drain(0);
    await using newer = await laterWorker();
    await eventually(async () => {
      expect(await system.queue().peek(QUEUE, { deadLetter: false, maxCount: 10 })).toEqual([]);
    });
    expect((await system.api.jobs.get(jobId))?.value).toMatchObject({ state: "succeeded", executions: 1 });
    expect(newer.runningCount).toBe(0);
    expect(await letters()).toEqual([]);
  });

  it("the release that can read a dead-lettered message sends its bell again", async () => {
    const jobId = await submitToLater();
    const delivery = await receiveOne(system.queue().receiver(QUEUE), 5_000);
    // As the broker does after 2,000 deliveries.
    await delivery!.deadLetter("MaxDeliveryCountExceeded", "");
    const { jobs, batches, timers } = createAzureStores();
    const unreadable = createUnreadable({ monotonicNow: () => 0, log: silentLog });
    const sweepLetters = (queue: ReturnType<TestSystem["queue"]>): Promise<number> => {
      const now = (): Date => new Date();
      const completion = withTimerBatches(createBatchCompletion({ batches, jobs, events: silentEvents, now }), {
        jobs,
        timers,
        queue,
      });
      const deps = { jobs, queue, completion, events: silentEvents, unreadable, now, log: silentLog };
      return sweepDeadLetters(QUEUE, new Map(), deps);
    };
    expect(await sweepLetters(system.queue())).toBe(0);
    expect(await letters()).toHaveLength(1);
    expect(await sweepLetters(later.wrapQueue(system.queue()))).toBe(1);
    await using newer = await laterWorker();
    const { workerId } = newer;
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", executions: 1, history: [{ workerId }] });
    expect(await letters()).toEqual([]);
  });
});

describe("an API beside a later release", () => {
  it("an API answers 503 for a row of a later release, reports it at /readyz and never changes it", async () => {
    const jobId = await system.submit(tenant, "Quick");
    const { rows } = createAzureStores();
    await rows.merge("jobs", jobKeys(jobId), { state: "paused" });
    const before = await rows.get("jobs", jobKeys(jobId));
    expect((await system.api.get("/readyz")).body).toEqual({ status: "ok" });
    for (const answer of [
      await system.api.get(`/v1/jobs/${jobId}`),
      await system.api.post(`/v1/jobs/${jobId}/cancel`, {}),
      await system.api.post(`/v1/jobs/${jobId}/requeue`, {}),
    ]) {
      expect(answer).toMatchObject({ status: 503, body: { error: { code: "FormatUnknown" } } });
      expect(answer.headers.get("retry-after")).toBe("2");
    }
    expect(await system.api.get("/readyz")).toMatchObject({ status: 200, body: { status: "ok", unreadable: ["job"] } });
    expect(await rows.get("jobs", jobKeys(jobId))).toEqual(before);
  });

  it("passes over an event of the later release, tells of it, and hears the others", async () => {
    const unread: string[] = [];
    const heard: string[] = [];
    const source = hearFrom(system.bus, (key, error) => void unread.push(`${key} ${String(error)}`));
    await source.listen(
      ({ event }) => void heard.push(event.eventType),
      () => undefined,
    );
    const client = new ServiceBusClient(system.bus.connectionString);
    await client.createSender(EVENTS_TOPIC).sendMessages({ body: { version: 2, type: "later" }, messageId: "later" });
    await system.submit(tenant, "Quick");
    await eventually(() => expect(heard).toEqual(["jobQueued"]));
    await eventually(() => expect(unread).toEqual([expect.stringContaining("later")]));
    await client.close();
    await source.close();
  });

  it("does not take a batch for complete whose jobs are counted in a state that it does not know", async () => {
    const jobId = await system.submit(tenant, "Quick");
    const { batchId, partition } = parseJobId(jobId)!;
    const stores = createAzureStores();
    // The later release has moved the job from queued to a state of its own.
    const counter = { partitionKey: partition, rowKey: "~later-writer" };
    await stores.rows.merge("jobs", counter, {
      queued: -1,
      running: 0,
      succeeded: 0,
      failed: 0,
      canceled: 0,
      paused: 1,
    });
    await stores.rows.merge("jobs", jobKeys(jobId), { state: "paused" });
    await stores.rows.merge("batches", batchKeys(batchId), { state: "closed" });
    const { noted } = await sweep(jobId);
    expect(noted).toEqual([expect.objectContaining({ format: "counter", key: batchId })]);
    expect((await stores.batches.get(batchId))?.value).toMatchObject({ completedGeneration: 0, atRest: false });
  });
});
