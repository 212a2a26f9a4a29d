import type { ServiceBusClient } from "@azure/service-bus";
import { UnreadableError } from "../../../runtime/core/errors.ts";
import { silentEvents, silentLog, silentUnreadable } from "../../support/silent.ts";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createAnnounce } from "../../../runtime/api/webhooks/announce.ts";
import {
  connectServiceBus,
  createBatchStore,
  createDeliveryStore,
  createJobQueue,
  createJobStore,
  createTimerStore,
  createWebhookStore,
} from "../../../runtime/azure/index.ts";
import { outgoingTick } from "../../../runtime/core/timer/tick.ts";
import { batchIdOf, newTimerRun, scheduleHashOf, tickJobId } from "../../../runtime/core/timer/timer.ts";
import { newTimerJob, wakeTimerBatch } from "../../../runtime/timers/run/timer-jobs.ts";
import { bellMessageId, bellOf } from "../../../runtime/core/job/bell.ts";
import type { Batch, Claim, Job } from "../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../runtime/core/limits.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { busTopology, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import type { WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { waitsForAnotherRun } from "../../../runtime/timers/run/next-run.ts";
import { withTimerBatches } from "../../../runtime/timers/run/timer-runs.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { sweepBatches, type SweepBatchesDeps } from "../../../runtime/sweeper/sweep-batches.ts";
import { sweepDeadLetters } from "../../../runtime/sweeper/sweep-dead-letters.ts";
import { batchOf, jobOf, timerOf, webhookOf, workerOf } from "../../support/builders.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

const LOCK_MS = 60_000;
const HOUR_MS = 3_600_000;

let bus: LocalServiceBus;
let queue: JobQueue;
let ticks: ServiceBusClient;
const storage = testStorage();
const jobs = createJobStore({ storage, writerId: `sweeper-${randomUUID()}` });
const batches = createBatchStore({ storage });
const deliveries = createDeliveryStore({ storage });
const webhooks = createWebhookStore({ storage, deliveries });
const timers = createTimerStore({ storage });

/** A pool of its own for each test, so that queues and batches of others are out of sight. */
let pool = "";
let queueName = "";
let batch: Batch;
let workers: readonly WorkerRecord[] = [];
const POOLS = Array.from({ length: 20 }, (_, i) => `p${i}`);
let nextPool = 0;

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, topology: busTopology(POOLS, { lockMs: LOCK_MS }) });
  const connect = () => connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString });
  queue = createJobQueue({ bus: connect() });
  ticks = connect();
});
afterAll(async () => {
  await queue.close();
  await ticks.close();
  await bus.close();
});
beforeEach(async () => {
  pool = POOLS[nextPool++]!;
  queueName = jobQueueName(pool, "normal");
  batch = await batches.create(batchOf({ tenantName: freshTenant(), pool }));
  workers = [];
});

/** Sees this test's batch alone, and an hour later than it is: everything is due. */
const deps = (): SweepBatchesDeps => ({
  jobs,
  queue,
  completion: withTimerBatches(createBatchCompletion({ batches, jobs, events: silentEvents, now: () => new Date() }), {
    jobs,
    timers,
    queue,
  }),
  events: silentEvents,
  waitsForAnother: (job) => waitsForAnotherRun(job, { jobs, timers }),
  unreadable: silentUnreadable,
  log: silentLog,
  announce: createAnnounce({ batches, webhooks, deliveries, now: () => new Date(), log: silentLog }),
  batches: {
    update: (batchId, etag, changes) => batches.update(batchId, etag, changes),
    async *active() {
      const stored = await batches.get(batch.batchId);
      if (stored !== undefined && !stored.value.atRest) yield stored;
    },
  },
  workers: { list: () => Promise.resolve(workers), requestCancel: () => Promise.resolve() },
  lockMs: LOCK_MS,
  marginMs: 10_000,
  now: () => new Date(Date.now() + HOUR_MS),
});
const sweep = () => sweepBatches(deps(), { thorough: true });

async function insert(fields: Partial<Job> = {}): Promise<Stored<Job>> {
  const job = jobOf({ pool, ...fields }, batch);
  const result = await jobs.insert(job);
  if (!result.written) throw new Error("not inserted");
  return { value: job, etag: result.etag };
}

const ring = ({ value, etag }: Stored<Job>) =>
  queue.send(queueName, [{ bell: bellOf(value, etag), messageId: bellMessageId(value.jobId, value.ring) }]);

const claimOf = (fields: Partial<Claim> = {}): Claim => ({
  id: randomUUID(),
  workerId: "w1",
  bootId: "b1",
  queue: queueName,
  sequenceNumber: "1",
  since: new Date(),
  ...fields,
});

async function claimed(stored: Stored<Job>, claim = claimOf()): Promise<void> {
  const { jobId } = stored.value;
  const entry = { execution: 1, attempt: 1, workerId: claim.workerId, claimId: claim.id, startedAt: claim.since };
  const changes = { claim, executions: 1, startedAt: claim.since, history: [entry] };
  const result = await jobs.update({ jobId, etag: stored.etag, from: "queued", to: "running", changes });
  if (!result.written) throw new Error("not claimed");
}

const rowOf = async (jobId: string): Promise<Job> => (await jobs.get(jobId))!.value;
const peek = (deadLetter = false) => queue.peek(queueName, { deadLetter, maxCount: 100 });

describe("sweeping batches", () => {
  it("the sweeper sends a lost bell under a new message id and leaves other jobs alone", async () => {
    const orphan = await insert();
    const healthy = await insert();
    await ring(healthy);
    expect(await sweep()).toMatchObject({ bellsSent: 1, handedBack: 0 });
    const bells = await peek();
    expect(bells.map(({ messageId }) => messageId).sort()).toEqual(
      [bellMessageId(healthy.value.jobId, 1), expect.stringMatching(`^${orphan.value.jobId}:1:`) as unknown].sort(),
    );
    expect((await rowOf(orphan.value.jobId)).ring).toBe(1);
    expect(await sweep()).toMatchObject({ bellsSent: 0 });
  });

  it("a queued tick counts as the bell of its run", async () => {
    const timer = timerOf({ tenantName: freshTenant(), pool });
    const at = new Date("2026-03-01T08:00:00Z");
    await wakeTimerBatch(batches, timer, at);
    batch = (await batches.get(batchIdOf(timer)))!.value;
    const { tick, messageId } = outgoingTick(timer, scheduleHashOf(timer), at);
    const jobId = tickJobId(timer, at, scheduleHashOf(timer));
    const trigger = { trigger: "schedule", scheduledAt: at, missedCount: 0 } as const;
    await jobs.insert(newTimerJob(timer, { jobId, trigger, pool, submittedAt: at, submittedBy: "timer" }));
    await ticks.createSender(queueName).sendMessages({ body: tick, messageId, contentType: "application/json" });
    expect(await sweep()).toMatchObject({ bellsSent: 0 });
    const [delivery] = [await receiveOne(queue.receiver(queueName), 5_000)];
    expect(delivery?.parsed).toEqual({ kind: "tick", tick });
    await delivery!.complete();
    // Its message is gone: it waits, or somebody died.
    expect(await sweep()).toMatchObject({ bellsSent: 1 });
    expect((await peek()).map(({ parsed }) => parsed.kind === "bell" && parsed.bell.jobId)).toEqual([jobId]);
  });

  it("the sweeper rings for the next waiting run of a timer, and for none that waits behind another", async () => {
    const timer = timerOf({ tenantName: freshTenant(), pool });
    const batchId = batchIdOf(timer);
    const at = (minutes: number): Date => new Date(Date.parse("2026-03-01T08:00:00Z") + minutes * 60_000);
    await wakeTimerBatch(batches, timer, at(0));
    batch = (await batches.get(batchId))!.value;
    const insertRun = async (scheduledAt: Date): Promise<Stored<Job>> => {
      const jobId = tickJobId(timer, scheduledAt, scheduleHashOf(timer));
      const trigger = { trigger: "schedule", scheduledAt, missedCount: 0 } as const;
      await jobs.insert(newTimerJob(timer, { jobId, trigger, pool, submittedAt: at(0), submittedBy: "timer" }));
      return (await jobs.get(jobId))!;
    };
    const [holder, first, second] = [await insertRun(at(0)), await insertRun(at(1)), await insertRun(at(2))];
    const [currentJobId, ...waitingJobIds] = [holder, first, second].map(({ value }) => value.jobId);
    await timers.writeRun({ ...newTimerRun(batchId), currentJobId, waitingJobIds }, undefined);
    const rungFor = async () =>
      (await peek()).flatMap(({ parsed }) => (parsed.kind === "bell" ? [parsed.bell.jobId] : []));

    await ring(holder);
    expect(await sweep()).toMatchObject({ bellsSent: 0 });
    const { jobId } = holder.value;
    await jobs.update({ jobId, etag: holder.etag, from: "queued", to: "canceled", changes: {} });
    expect(await sweep()).toMatchObject({ bellsSent: 1 });
    expect(await rungFor()).toEqual([jobId, first.value.jobId]);
    expect(await sweep()).toMatchObject({ bellsSent: 0 });
  });

  it("the sweeper reopens a complete batch before it sends the bell of a late job", async () => {
    const { etag } = (await batches.get(batch.batchId))!;
    await batches.update(batch.batchId, etag, { state: "closed" });
    await deps().completion.afterJobEnded(batch.batchId);
    expect((await batches.get(batch.batchId))?.value).toMatchObject({ generation: 1, completedGeneration: 1 });
    // The API had found the batch open, and died after the insert.
    const late = await insert();
    expect(await sweep()).toMatchObject({ bellsSent: 1 });
    expect((await batches.get(batch.batchId))?.value).toMatchObject({ generation: 2, completedGeneration: 1 });
    expect((await peek()).map(({ parsed }) => parsed.kind === "bell" && parsed.bell.jobId)).toEqual([late.value.jobId]);
    await sweep();
    expect((await batches.get(batch.batchId))?.value.generation).toBe(2);
  });

  it("the sweeper ends a job that was added while its batch was canceled", async () => {
    const { etag } = (await batches.get(batch.batchId))!;
    await batches.update(batch.batchId, etag, { state: "canceled" });
    await deps().completion.afterJobEnded(batch.batchId);
    // The API had found the batch open, and died after the insert.
    const { value: late } = await insert();
    const { value: delayed } = await insert({ runAt: new Date(Date.now() + 24 * HOUR_MS) });
    expect(await sweep()).toMatchObject({ canceled: 2, bellsSent: 0 });
    for (const { jobId } of [late, delayed]) {
      expect(await rowOf(jobId)).toMatchObject({ state: "canceled", executions: 0, endedAt: expect.any(Date) as Date });
    }
    expect(await peek()).toEqual([]);
    expect((await batches.get(batch.batchId))?.value).toMatchObject({ generation: 2, completedGeneration: 2 });
    expect(await sweep()).toMatchObject({ canceled: 0, bellsSent: 0 });
  });

  it("the sweeper sends the lost bell of a requeued job in a canceled batch", async () => {
    const { value: job, etag } = await insert();
    const changes = { ring: 2, reopen: true };
    await jobs.update({ jobId: job.jobId, etag, from: "queued", to: "queued", changes });
    const stored = (await batches.get(batch.batchId))!;
    await batches.update(batch.batchId, stored.etag, { state: "canceled" });
    expect(await sweep()).toMatchObject({ canceled: 0, bellsSent: 1 });
    expect((await rowOf(job.jobId)).state).toBe("queued");
  });

  it("the sweeper hands back no job while a worker's row cannot be read", async () => {
    const running = await insert();
    await claimed(running);
    const unreadable: string[] = [];
    const other = new UnreadableError("worker", "Table property state is missing or not readable.");
    const told = {
      ...{ ...deps(), workers: { ...deps().workers, list: () => Promise.reject(other) } },
      unreadable: { note: (key: string) => void unreadable.push(key) },
    };
    const orphan = await insert();
    expect(await sweepBatches(told, { thorough: true })).toMatchObject({ handedBack: 0, bellsSent: 1 });
    expect(unreadable).toEqual(["the workers"]);
    expect(await rowOf(running.value.jobId)).toMatchObject({ state: "running" });
    expect((await rowOf(orphan.value.jobId)).state).toBe("queued");
    expect(await sweep()).toMatchObject({ handedBack: 1 });
  });

  it("the sweeper sends the bell of a delayed job only if none is scheduled", async () => {
    const runAt = new Date(Date.now() + HOUR_MS / 2);
    const scheduled = await insert({ runAt });
    const lost = await insert({ runAt });
    await queue.send(queueName, [
      { bell: bellOf(scheduled.value, scheduled.etag), messageId: `${scheduled.value.jobId}:1`, enqueueAt: runAt },
    ]);
    expect(await sweep()).toMatchObject({ bellsSent: 1 });
    const bells = await peek();
    expect(bells.map(({ parsed }) => parsed.kind === "bell" && parsed.bell.jobId).sort()).toEqual(
      [scheduled.value.jobId, lost.value.jobId].sort(),
    );
  });

  it("the sweeper hands back the job of a dead worker and sends its next bell", async () => {
    const stored = await insert();
    await claimed(stored);
    expect(await sweep()).toMatchObject({ handedBack: 1 });
    expect(await rowOf(stored.value.jobId)).toMatchObject({
      state: "queued",
      ring: 2,
      attempts: 0,
      interruptions: 1,
      claim: undefined,
      history: [{ outcome: "interrupted" }],
    });
    expect((await peek()).map(({ messageId }) => messageId)).toEqual([bellMessageId(stored.value.jobId, 2)]);
  });

  it("the sweeper leaves a job alone whose living worker names it", async () => {
    const stored = await insert();
    const claim = claimOf();
    await claimed(stored, claim);
    workers = [
      {
        ...{ pool, workerId: "w1", bootId: "b1", slots: 1, version: "1", state: "running", cancel: [], drain: false },
        startedAt: new Date(),
        heartbeatAt: deps().now(),
        claims: [claim.id],
      },
    ];
    expect(await sweep()).toMatchObject({ handedBack: 0, bellsSent: 0 });
    expect((await rowOf(stored.value.jobId)).state).toBe("running");
  });

  it("the sweeper looks for a job's worker in the job's own pool", async () => {
    const stored = await insert();
    const claim = claimOf();
    await claimed(stored, claim);
    workers = [workerOf({ pool, workerId: "w1", bootId: "b1", heartbeatAt: deps().now(), claims: [claim.id] })];
    batch = { ...batch, pool: "another" };
    const active = async function* () {
      await Promise.resolve();
      yield { value: batch, etag: "any" };
    };
    const swept = await sweepBatches({ ...deps(), batches: { ...deps().batches, active } }, { thorough: true });
    expect(swept).toMatchObject({ handedBack: 0 });
  });

  it("the sweeper cancels a dead worker's job when a cancel was wanted, and completes its batch", async () => {
    const stored = await insert({ cancelWanted: true });
    await claimed(stored);
    const { etag } = (await batches.get(batch.batchId))!;
    await batches.update(batch.batchId, etag, { state: "closed" });
    await sweep();
    expect((await rowOf(stored.value.jobId)).state).toBe("canceled");
    expect((await batches.get(batch.batchId))!.value).toMatchObject({ completedGeneration: 1 });
    expect(await peek()).toEqual([]);
  });

  it("the sweeper completes a closed batch that nobody completed, and lets it rest later", async () => {
    const webhook = webhookOf({ tenantName: batch.tenantName });
    await webhooks.create(webhook);
    const stored = await insert();
    await jobs.update({ jobId: stored.value.jobId, etag: stored.etag, from: "queued", to: "canceled", changes: {} });
    const { etag } = (await batches.get(batch.batchId))!;
    await batches.update(batch.batchId, etag, { state: "closed" });
    await sweep();
    expect((await batches.get(batch.batchId))!.value).toMatchObject({ completedGeneration: 1, atRest: false });
    await sweep();
    expect((await batches.get(batch.batchId))!.value).toMatchObject({ unannounced: [], atRest: false });
    const { items } = await deliveries.list(webhook, { pageSize: 10 });
    expect(items).toMatchObject([{ batchId: batch.batchId, generation: 1 }]);
    await sweep();
    expect((await batches.get(batch.batchId))!.value.atRest).toBe(true);
  });
});

describe("sweeping dead letters", () => {
  async function deadLetter(stored: Stored<Job>): Promise<void> {
    await ring(stored);
    const receiver = queue.receiver(queueName);
    const delivery = await receiveOne(receiver, 5_000);
    await delivery!.deadLetter("MaxDeliveryCountExceeded", "by the broker");
    await receiver.close();
  }
  const letters = async () => (await peek(true)).map(({ messageId }) => messageId);
  const sweepLetters = () => sweepDeadLetters(queueName, new Map(), deps());

  it("a dead letter is kept while its job is failed, and removed after a requeue", async () => {
    const stored = await insert();
    await deadLetter(stored);
    const { jobId } = stored.value;
    const failed = await jobs.update({ jobId, etag: stored.etag, from: "queued", to: "failed", changes: {} });
    expect(await sweepLetters()).toBe(0);
    expect(await letters()).toEqual([bellMessageId(jobId, 1)]);
    if (!failed.written) throw new Error("not failed");
    await jobs.update({ jobId, etag: failed.etag, from: "failed", to: "queued", changes: { ring: 2 } });
    expect(await sweepLetters()).toBe(1);
    expect(await letters()).toEqual([]);
    expect((await peek()).map(({ messageId }) => messageId)).toEqual([bellMessageId(jobId, 2)]);
  });

  it("a queued job whose bell was dead-lettered by the broker is handed back as interrupted", async () => {
    const stored = await insert();
    await deadLetter(stored);
    expect(await sweepLetters()).toBe(1);
    expect(await rowOf(stored.value.jobId)).toMatchObject({ state: "queued", ring: 2, attempts: 0, interruptions: 1 });
    expect((await peek()).map(({ messageId }) => messageId)).toEqual([bellMessageId(stored.value.jobId, 2)]);
  });

  it("the dead letter of a job with no interruption left stays as the record of its failure", async () => {
    const stored = await insert({ interruptions: MAX_INTERRUPTIONS });
    await deadLetter(stored);
    expect(await sweepLetters()).toBe(0);
    expect(await rowOf(stored.value.jobId)).toMatchObject({ state: "failed", failure: { code: "WorkerLost" } });
    expect(await letters()).toEqual([bellMessageId(stored.value.jobId, 1)]);
  });

  it("a dead letter of a running job waits until the row has moved", async () => {
    const stored = await insert();
    await deadLetter(stored);
    await claimed((await jobs.get(stored.value.jobId))!);
    const positions = new Map<string, string>();
    expect(await sweepDeadLetters(queueName, positions, deps())).toBe(0);
    const running = (await jobs.get(stored.value.jobId))!;
    expect(running.value.state).toBe("running");
    await jobs.update({ jobId: stored.value.jobId, etag: running.etag, from: "running", to: "succeeded", changes: {} });
    expect(await sweepDeadLetters(queueName, positions, deps())).toBe(1);
    expect(await letters()).toEqual([]);
  });

  it("a dead letter without a job is kept", async () => {
    await deadLetter({ value: jobOf({ pool }, batch), etag: "none" });
    expect(await sweepLetters()).toBe(0);
    expect((await letters()).length).toBe(1);
  });
});
