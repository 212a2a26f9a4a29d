/** How many requests an API and a worker without work make. Every deployment pays for them all day. */
import { afterEach, expect, it, vi } from "vitest";
import { createAnnounce } from "../../../runtime/api/webhooks/announce.ts";
import { createDeliverer } from "../../../runtime/api/webhooks/deliver.ts";
import { startWebhookDuty } from "../../../runtime/api/webhooks/duty.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { sleep } from "../../../runtime/core/sleep.ts";
import { startPauseBoard } from "../../../runtime/lifecycle/pause-board.ts";
import { createQueueLoads } from "../../../runtime/lifecycle/queue-loads.ts";
import { startRefillDuty } from "../../../runtime/sweeper/refill-duty.ts";
import { createRefill } from "../../../runtime/sweeper/refill.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { startSweeper } from "../../../runtime/sweeper/sweeper.ts";
import { startScheduler } from "../../../runtime/timers/schedule/scheduler.ts";
import { startHeartbeat } from "../../../runtime/worker/heartbeat.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { inVirtualTime } from "../../support/faults/virtual-time.ts";
import { silentEvents, silentLog, silentUnreadable, silentMetrics } from "../../support/silent.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";

const LOCK_MS = 60_000;
const WARM_UP_MS = 40_000;
/** Less than the time after which a batch rests. */
const ROUNDS = 16;
const ROUND_MS = 30_000;

afterEach(() => void vi.useRealTimers());

/** Calls `onCall` with the name and arguments of each call of a method. */
const observed = <T extends object>(target: T, onCall: (method: string, args: readonly unknown[]) => void): T =>
  new Proxy(target, {
    get(object, name): unknown {
      const member: unknown = Reflect.get(object, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        onCall(String(name), args);
        return Reflect.apply(member, object, args);
      };
    },
  });

/** Requests of each kind in 30 s, on average. */
async function idleRequests(shardCounts: readonly number[]) {
  const counted = { table: 0, blob: 0, bus: 0 };
  const { value } = await inVirtualTime(async () => {
    const stores = createMemoryStores();
    const now = (): Date => new Date();
    for (const shardCount of shardCounts) {
      const batch = await stores.batches.create(batchOf({ shardCount, createdAt: now() }));
      const { jobId } = jobOf({}, batch);
      const inserted = await stores.jobs.insert(jobOf({ jobId }, batch));
      if (!inserted.written) throw new Error("not inserted");
      await stores.jobs.update({ jobId, etag: inserted.etag, from: "queued", to: "canceled", changes: {} });
    }
    const inTable = <T extends object>(store: T): T =>
      observed(store, (method, [first]) => {
        counted.table += method === "snapshot" ? (first as Batch).shardCount : 1;
      });
    const jobs = inTable(stores.jobs);
    const batches = inTable(stores.batches);
    const workers = inTable(stores.workers);
    const webhooks = inTable(stores.webhooks);
    const deliveries = inTable(stores.deliveries);
    const timers = inTable(stores.timers);
    const keys = inTable(stores.keys);
    const newLease = () => ({
      hold: () => Promise.resolve(++counted.blob > 0),
      release: () => Promise.resolve(),
    });
    const queue = {
      peek: () => {
        counted.bus++;
        return Promise.resolve([]);
      },
    } satisfies Pick<JobQueue, "peek"> as unknown as JobQueue;

    const announce = createAnnounce({ batches, webhooks, deliveries, now, log: silentLog });
    const events = silentEvents;
    const stopSweeper = startSweeper({
      ...{ jobs, batches, keys, workers, queue, events, announce, now },
      completion: createBatchCompletion({ jobs, batches, events, now }),
      noteSwept() {
        counted.table++;
        return Promise.resolve();
      },
      lease: newLease(),
      pools: ["default"],
      lockMs: LOCK_MS,
      marginMs: 10_000,
      unreadable: silentUnreadable,
      metrics: silentMetrics,
      log: silentLog,
    });
    const duty = startWebhookDuty({
      lease: newLease(),
      announce,
      deliverer: createDeliverer({
        ...{ webhooks, deliveries, now },
        post: () => Promise.reject(new Error("There is nothing to send.")),
        unreadable: silentUnreadable,
        metrics: silentMetrics,
        random: () => 0.5,
        log: silentLog,
      }),
      log: silentLog,
    });
    const scheduler = startScheduler({
      timers,
      sender: { send: () => Promise.reject(new Error("There are no timers.")) },
      now,
      random: () => 0.5,
      log: silentLog,
    });
    const pausesOfApi = startPauseBoard({
      pauses: inTable(stores.pauses),
      unreadable: silentUnreadable,
      log: silentLog,
    });
    const pausesOfWorker = startPauseBoard({
      pauses: inTable(stores.pauses),
      unreadable: silentUnreadable,
      log: silentLog,
    });
    const monotonicNow = (): number => now().getTime();
    const loads = createQueueLoads({
      queue,
      workers,
      tenants: stores.tenants,
      silentAfterMs: LOCK_MS,
      now,
      monotonicNow,
    });
    const refill = createRefill({
      ...{ jobs, batches, queue, loads, monotonicNow, pauses: pausesOfApi },
      waiting: inTable(stores.waiting),
      completion: { reopenBatch: () => Promise.reject(new Error("No batch is complete too early.")) },
      waitsForAnother: () => Promise.resolve(false),
      unreadable: silentUnreadable,
    });
    const refillDuty = startRefillDuty({ refill, lease: newLease(), monotonicNow, log: silentLog });
    const heartbeat = await startHeartbeat({
      workers,
      identity: { pool: "p", workerId: "w", bootId: "b", startedAt: now(), slots: 4, version: "1" },
      state: () => "running",
      claims: () => [],
      onCancel: () => undefined,
      onDrain: () => undefined,
      onReplaced: () => undefined,
      now,
      lockMs: LOCK_MS,
      log: silentLog,
    });
    await sleep(WARM_UP_MS);
    const before = { ...counted };
    await sleep(ROUNDS * ROUND_MS);
    const after = { ...counted };
    pausesOfApi.stop();
    pausesOfWorker.stop();
    await Promise.all([refillDuty.stop(), stopSweeper(), duty.stop(), scheduler.stop(), heartbeat.stop()]);
    const perRound = (kind: keyof typeof counted): number => (after[kind] - before[kind]) / ROUNDS;
    return { table: perRound("table"), blob: perRound("blob"), bus: perRound("bus") };
  });
  return value;
}

/** What is paused is read every two seconds by each, and once a second whether a job waits without a bell. */
const LOOKS = 15 + 15 + 30;

it("an API and a worker without work make at most 69 table requests, 11 blob requests and two peeks in 30 s", async () => {
  const { table, blob, bus } = await idleRequests([]);
  expect(table).toBeLessThanOrEqual(9 + LOOKS);
  expect(blob).toBeLessThanOrEqual(5 + 6);
  expect(bus).toBeLessThanOrEqual(2);
});

it("a batch whose jobs have ended adds one look at its counters in a minute", async () => {
  const { table } = await idleRequests([16]);
  expect(table).toBeLessThanOrEqual(9 + LOOKS + 16 / 2 + 1);
});
