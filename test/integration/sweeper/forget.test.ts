/** Retention: what is due is removed in small steps, whatever dies on the way, and nothing else is. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { defaultBatchId, timerBatchId, timerJobId } from "../../../runtime/core/job/ids.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import { keysExpireBefore } from "../../../runtime/core/job/keys.ts";
import { type Retention, retentionOf } from "../../../runtime/core/job/retention.ts";
import { NO_COUNTS, type TerminalState } from "../../../runtime/core/job/states.ts";
import { newTimerRun } from "../../../runtime/core/timer/timer.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { requeueJobs } from "../../../runtime/lifecycle/requeue-job.ts";
import { createForgetSweep } from "../../../runtime/sweeper/forget/forget-sweep.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { silentEvents, silentLog, silentUnreadable } from "../../support/silent.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { createMemoryStores, type Stores } from "../../support/stores/memory-stores.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { isDead, type Life, mortal } from "../webhooks/mortal.ts";

const DAY_MS = 24 * 60 * 60_000;
const BEGIN = Date.parse("2026-01-10T12:00:00Z");
const day = (count: number): Date => new Date(BEGIN + count * DAY_MS);
const RETENTION = retentionOf({ rowDays: 90, logDays: 30, fileDays: 60, deadLetterDays: 30 });
const LARGE = undefined;

interface World {
  readonly stores: Stores;
  readonly tenantName: string;
}

const worldOf = (stores: Stores): World => ({ stores, tenantName: freshTenant() });

/** Ended on the first day, with a log, an artifact, large parameters and a name of its caller's. */
async function endedJob({ stores, tenantName }: World, batch: Batch, state: TerminalState, fields: Partial<Job> = {}) {
  const { jobs, files, keys } = stores;
  const clientJobId = randomUUID();
  const job = jobOf({ clientJobId, parameters: LARGE, submittedAt: day(0), ...fields }, batch);
  const { jobId } = job;
  const inserted = await jobs.insert(job);
  if (!inserted.written) throw new Error("not inserted");
  const claimId = randomUUID();
  const entry = { execution: 1, attempt: 1, workerId: "w", claimId, startedAt: day(0) };
  const started = await jobs.update({
    ...{ jobId, etag: inserted.etag, from: "queued", to: "running" },
    changes: { executions: 1, history: [entry] },
  });
  if (!started.written) throw new Error("not started");
  await jobs.update({
    ...{ jobId, etag: started.etag, from: "running", to: state },
    changes: { endedAt: day(0), artifactCount: 1 },
  });
  await files.putParameters(jobId, "{}");
  await files.appendLog(jobId, claimId, Buffer.from("log"));
  const content = Buffer.from("content");
  await files.putArtifact(jobId, claimId, "a/b.txt", {
    bytes: content.length,
    read: (from, length) => Promise.resolve(content.subarray(from, from + length)),
  });
  const wish = { kind: "job-id", key: clientJobId, id: jobId, requestHash: "x", createdAt: day(0) } as const;
  await keys.reserve(tenantName, [wish], day(-9));
  return { jobId, claimId, clientJobId };
}

type Ended = Awaited<ReturnType<typeof endedJob>>;

/** What is left of a job. */
async function leftOf({ stores, tenantName }: World, { jobId, claimId, clientJobId }: Ended) {
  const { jobs, files, keys } = stores;
  const [key] = await keys.find(tenantName, [{ kind: "job-id", key: clientJobId }], keysExpireBefore(day(500)));
  const left = {
    row: (await jobs.get(jobId)) !== undefined,
    log: (await files.openLog(jobId, claimId)) !== undefined,
    artifacts: (await files.listArtifacts(jobId, claimId)).length > 0,
    parameters: (await files.getParameters(jobId)) !== undefined,
    key: key !== undefined,
  };
  return Object.entries(left).flatMap(([name, isLeft]) => (isLeft ? [name] : []));
}

const ALL = ["row", "log", "artifacts", "parameters", "key"];

async function closedBatch({ stores, tenantName }: World, fields: Partial<Batch> = {}): Promise<Batch> {
  return stores.batches.create(batchOf({ tenantName, createdAt: day(0), shardCount: 2, ...fields }));
}

/** As the last job's end does. */
async function complete({ stores }: World, { batchId }: Batch): Promise<void> {
  const { value, etag } = (await stores.batches.get(batchId))!;
  await stores.batches.update(batchId, etag, {
    ...{ state: "closed", completedGeneration: value.generation, completedAt: day(1) },
  });
}

/** The leading sweeper's rounds of one day, until it has nothing to do. */
async function sweep(
  world: World,
  now: Date,
  stores: Pick<Stores, "removal" | "batches" | "jobs" | "timers"> = world.stores,
) {
  const { tenantName } = world;
  const removal = ofTenant(stores.removal, tenantName);
  const forget = createForgetSweep({
    ...stores,
    removal,
    retentions: { get: (name) => world.stores.retentions.get(name), all: () => Promise.resolve([]) },
    erasures: { all: () => Promise.resolve([]) },
    defaultRetention: RETENTION,
    unreadable: silentUnreadable,
    now: () => now,
    log: silentLog,
  });
  const total = { rows: 0, logs: 0, artifacts: 0, batches: 0 };
  for (let round = 0; round < 5; round++) {
    const did = await forget.sweep();
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += did[key];
  }
  return total;
}

/** Other tests' batches lie in the same tables. */
const ofTenant = (removal: Stores["removal"], tenantName: string): Stores["removal"] => ({
  ...removal,
  batches: (request) => removal.batches({ ...request, tenantName }),
});

describe.each(BACKINGS)("over $name", ({ name, start }) => {
  const open = start();

  it("logs go first, then artifacts, then rows with all that is theirs, and at last the batch; its counts stay true", async () => {
    const world = worldOf(open());
    const batch = await closedBatch(world);
    const ended = [
      await endedJob(world, batch, "succeeded"),
      await endedJob(world, batch, "failed"),
      await endedJob(world, batch, "canceled"),
    ];
    await complete(world, batch);
    const counts = { ...NO_COUNTS, succeeded: 1, failed: 1, canceled: 1 };
    const left = async () => Promise.all(ended.map((one) => leftOf(world, one)));
    const stored = async () => (await world.stores.batches.get(batch.batchId))?.value;

    expect(await sweep(world, day(29))).toEqual({ rows: 0, logs: 0, artifacts: 0, batches: 0 });
    expect(await left()).toEqual([ALL, ALL, ALL]);
    expect(await sweep(world, day(30))).toMatchObject({ logs: 3, artifacts: 0 });
    expect(await left()).toEqual(ended.map(() => ["row", "artifacts", "parameters", "key"]));
    // Nothing is removed twice.
    expect(await sweep(world, day(31))).toMatchObject({ logs: 0 });
    expect(await sweep(world, day(60))).toMatchObject({ logs: 0, artifacts: 3, rows: 0 });
    expect(await sweep(world, day(90))).toEqual({ rows: 3, logs: 0, artifacts: 0, batches: 0 });
    expect(await left()).toEqual([[], [], []]);
    expect(await world.stores.jobs.counts((await stored())!)).toEqual(counts);
    expect(await sweep(world, day(91))).toMatchObject({ batches: 1 });
    expect(await stored()).toBeUndefined();
    // The memory jobs keep their counters apart, without rows.
    if (name === "Azurite") expect(await world.stores.jobs.counts(batch)).toEqual(NO_COUNTS);
  });

  it("a job that is requeued at the last moment stays, with its parameters", async () => {
    const world = worldOf(open());
    const { jobs, batches } = world.stores;
    const batch = await closedBatch(world);
    const ended = await endedJob(world, batch, "failed");
    await complete(world, batch);
    const removal = {
      ...ofTenant(world.stores.removal, world.tenantName),
      async job(jobId: string, etag: string) {
        await requeueJobs([(await jobs.get(jobId))!], {
          ...{ jobs, events: silentEvents, sendBells: () => Promise.resolve() },
          completion: createBatchCompletion({ jobs, batches, events: silentEvents, now: () => day(100) }),
        });
        return world.stores.removal.job(jobId, etag);
      },
    };
    expect(await sweep(world, day(100), { ...world.stores, removal })).toMatchObject({ rows: 0, batches: 0 });
    expect(await leftOf(world, ended)).toEqual(["row", "parameters"]);
    expect((await jobs.get(ended.jobId))?.value.state).toBe("queued");
    // Its batch is open again, so nothing more of it goes.
    expect(await sweep(world, day(300))).toMatchObject({ rows: 0, batches: 0 });
  });
});

describe("what stays", () => {
  it.each<[string, Partial<Batch>]>([
    ["an open batch", { state: "open", completedGeneration: 0 }],
    ["a batch that is not complete", { state: "closed", completedGeneration: 0 }],
    [
      "a batch whose completion is not announced",
      { unannounced: [{ generation: 1, state: "closed", completedAt: day(0), counts: NO_COUNTS }] },
    ],
  ])("%s keeps its jobs, however old", async (_, changes) => {
    const world = worldOf(createMemoryStores());
    const batch = await closedBatch(world);
    const ended = await endedJob(world, batch, "succeeded");
    await complete(world, batch);
    const { etag } = (await world.stores.batches.get(batch.batchId))!;
    await world.stores.batches.update(batch.batchId, etag, changes);
    await sweep(world, day(1_000));
    expect(await leftOf(world, ended)).toEqual(ALL);
  });

  it("a timer's batch, its counts and the run that its row names", async () => {
    const world = worldOf(createMemoryStores());
    const { batches, timers, jobs } = world.stores;
    const batchId = timerBatchId(world.tenantName, "0".repeat(16));
    const batch = await batches.create(batchOf({ tenantName: world.tenantName, batchId, createdAt: day(0) }));
    const run = (at: number) =>
      endedJob(world, batch, "succeeded", { jobId: timerJobId(batchId, day(at), "0".repeat(8)) });
    const [old, latest] = [await run(0), await run(1)];
    await timers.writeRun({ ...newTimerRun(batchId), currentJobId: latest.jobId, fence: 2 }, undefined);
    expect(await sweep(world, day(200))).toMatchObject({ rows: 1, batches: 0 });
    expect(await leftOf(world, old)).toEqual([]);
    expect(await leftOf(world, latest)).toEqual(["row", "parameters", "key"]);
    expect(await jobs.counts(batch)).toEqual({ ...NO_COUNTS, succeeded: 2 });
  });

  it("nothing of the batch of a day: it is closed when its jobs are gone, and goes too", async () => {
    const world = worldOf(createMemoryStores());
    const { batches } = world.stores;
    const batchId = defaultBatchId(world.tenantName, BEGIN);
    const batch = await batches.create(batchOf({ tenantName: world.tenantName, batchId, createdAt: day(0) }));
    const ended = await endedJob(world, batch, "succeeded");
    expect(await sweep(world, day(90))).toMatchObject({ rows: 1, batches: 0 });
    expect(await leftOf(world, ended)).toEqual([]);
    expect((await batches.get(batchId))?.value).toMatchObject({ state: "closed", unannounced: [] });
  });

  it("what the tenant itself wants kept", async () => {
    const world = worldOf(createMemoryStores());
    const { retentions } = world.stores;
    const batch = await closedBatch(world);
    const ended = await endedJob(world, batch, "succeeded");
    await complete(world, batch);
    const kept: Retention = { ...RETENTION, succeeded: { rowDays: 0, logDays: 200, fileDays: 0 } };
    await retentions.put({ ...kept, tenantName: world.tenantName, changedAt: day(0), changedBy: "ada" });
    await sweep(world, day(150));
    expect(await leftOf(world, ended)).toEqual(ALL);
    await sweep(world, day(250));
    expect(await leftOf(world, ended)).toEqual(["row", "artifacts", "parameters", "key"]);
  });
});

describe("a process that dies", () => {
  it.each([
    ["before a call", true],
    ["after a call took effect", false],
  ])("%s, at any call, leaves what the next one finishes", async (_, diesBefore) => {
    let diesAt = 0;
    for (;;) {
      const life: Life = { calls: 0, diesAt: ++diesAt, diesBefore };
      const world = worldOf(createMemoryStores());
      const { stores } = world;
      const batch = await closedBatch(world);
      const ended = [await endedJob(world, batch, "succeeded"), await endedJob(world, batch, "failed")];
      await complete(world, batch);
      const dying = {
        removal: mortal(stores.removal, life),
        batches: mortal(stores.batches, life),
        jobs: mortal(stores.jobs, life),
        timers: mortal(stores.timers, life),
      };
      await sweep(world, day(100), dying).catch((error: unknown) => {
        if (!isDead(life)) throw error;
      });
      const between = (await stores.batches.get(batch.batchId))?.value;
      if (between !== undefined) {
        expect(await stores.jobs.counts(between)).toEqual({ ...NO_COUNTS, succeeded: 1, failed: 1 });
      }
      await sweep(world, day(101));
      expect(await Promise.all(ended.map((one) => leftOf(world, one)))).toEqual([[], []]);
      expect(await stores.batches.get(batch.batchId)).toBeUndefined();
      if (!isDead(life)) break;
    }
    expect(diesAt).toBeGreaterThan(15);
  });
});
