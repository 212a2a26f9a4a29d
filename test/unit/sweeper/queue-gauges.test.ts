import { expect, it } from "vitest";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { outgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { sleep } from "../../../runtime/core/sleep.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { createQueueGauges } from "../../../runtime/sweeper/queue-gauges.ts";
import { startSweeper } from "../../../runtime/sweeper/sweeper.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { inVirtualTime } from "../../support/faults/virtual-time.ts";
import { createRecordedMetrics } from "../../support/recorded-metrics.ts";
import { silentEvents, silentLog, silentUnreadable } from "../../support/silent.ts";
import { startMemoryQueue } from "../../support/stores/memory-queue.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";

const POOL = "p";
/** Between two looks at the age. */
const LOOK_MS = 60_000;

it("depth and age are those of the waiting jobs, and 0 when another process leads", async () => {
  const { metrics, values } = createRecordedMetrics();
  const shown = async (name: string): Promise<Readonly<Record<string, unknown>>> =>
    Object.fromEntries(
      (await values(name)).map(({ attributes, value }) => [Object.values(attributes).map(String).join(" "), value]),
    );
  await inVirtualTime(async () => {
    const { jobs, batches, keys, workers } = createMemoryStores();
    const now = (): Date => new Date();
    const queue: JobQueue = startMemoryQueue().connect();
    const batch = await batches.create(batchOf({ createdAt: now(), pool: POOL }));
    const waiting = async (fields: { readonly submittedAt: Date; readonly runAt?: Date }): Promise<void> => {
      const job = jobOf(fields, batch);
      await jobs.insert(job);
      await queue.send(jobQueueName(POOL, "normal"), [outgoingBell((await jobs.get(job.jobId))!)]);
    };
    const ago = (seconds: number): Date => new Date(Date.now() - 1_000 * seconds);
    await waiting({ submittedAt: ago(500), runAt: ago(-3_600) });
    await waiting({ submittedAt: ago(40) });
    await waiting({ submittedAt: ago(20) });
    let leads = true;
    const stop = startSweeper({
      ...{ jobs, batches, keys, workers, queue, now, metrics },
      completion: createBatchCompletion({ jobs, batches, events: silentEvents, now }),
      events: silentEvents,
      announce: () => Promise.resolve(),
      pools: ["default"],
      lease: { hold: () => Promise.resolve(leads), release: () => Promise.resolve() },
      lockMs: 60_000,
      marginMs: 10_000,
      unreadable: silentUnreadable,
      log: silentLog,
    });
    await sleep(2 * LOOK_MS);
    expect(await shown("jobyard.queue.depth")).toEqual({ default: 0, [POOL]: 3 });
    const age = (await shown("jobyard.queue.oldest.age"))["p normal"];
    expect(age).toBeGreaterThanOrEqual(40 + LOOK_MS / 1_000);
    expect(age).toBeLessThanOrEqual(40 + (2 * LOOK_MS) / 1_000);
    leads = false;
    await sleep(LOOK_MS);
    expect(await shown("jobyard.queue.depth")).toEqual({ default: 0, [POOL]: 0 });
    const ages = Object.values(await shown("jobyard.queue.oldest.age"));
    expect([ages.length, ...new Set(ages)]).toEqual([6, 0]);
    await stop();
  });
});

it("a pool that is no longer looked at shows 0, not its last value", async () => {
  const { metrics, values } = createRecordedMetrics();
  const gauges = createQueueGauges(metrics);
  const shown = async (name: string) => (await values(name)).map(({ value }) => value);
  gauges.show(new Map([[POOL, 3]]), new Map([[POOL, 1]]));
  expect(await shown("jobyard.queue.depth")).toEqual([3]);
  // Its ages are asked for again, so that they become 0 too.
  expect(gauges.show(new Map(), new Map())).toEqual(new Map([[POOL, 0]]));
  expect(await shown("jobyard.queue.depth")).toEqual([0]);
  expect(await shown("jobyard.worker.silent")).toEqual([0]);
  gauges.stop();
});
