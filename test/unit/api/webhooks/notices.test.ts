/** Messages about failed jobs, missed ticks and full quotas, over stores in memory: none is lost by a crash, and none floods. */
import { describe, expect, it } from "vitest";
import { createAnnounceFailures } from "../../../../runtime/api/webhooks/announce-failures.ts";
import { createAnnounceFull, createNoteFull } from "../../../../runtime/api/webhooks/announce-full.ts";
import { createAnnounceMissed } from "../../../../runtime/api/webhooks/announce-missed.ts";
import { createQuotas } from "../../../../runtime/api/quotas.ts";
import type { WebhookMessage } from "../../../../runtime/core/http/webhook-api.ts";
import type { Batch } from "../../../../runtime/core/job/job.ts";
import type { WebhookEvent } from "../../../../runtime/core/job/webhook.ts";
import { FAILED_JOBS_TOLD_MAX_COUNT, NOTICE_EVERY_MS } from "../../../../runtime/core/limits.ts";
import { batchIdOf, newTimerRun } from "../../../../runtime/core/timer/timer.ts";
import { sweepBatches } from "../../../../runtime/sweeper/sweep-batches.ts";
import { isDead, type Life, mortal } from "../../../integration/webhooks/mortal.ts";
import { batchOf, jobOf, timerOf, webhookOf } from "../../../support/builders.ts";
import { silentEvents, silentLog, silentUnreadable } from "../../../support/silent.ts";
import { createMemoryStores, type Stores } from "../../../support/stores/memory-stores.ts";
import { startMemoryQueue } from "../../../support/stores/memory-queue.ts";

const AT = new Date("2026-03-01T08:00:00Z");

interface World {
  readonly stores: Stores;
  clock: Date;
}
const newWorld = (): World => ({ stores: createMemoryStores(), clock: AT });
const pass = (world: World, ms: number): void => void (world.clock = new Date(world.clock.getTime() + ms));

/** A process that tells, which may die at a call. */
function teller(world: World, life: Life = { calls: 0, diesAt: Infinity, diesBefore: true }) {
  const { batches, jobs, index, timers, quotas, webhooks, deliveries } = world.stores;
  const deps = {
    batches: mortal(batches, life),
    jobs: mortal(jobs, life),
    index,
    timers: mortal(timers, life, ["all"]),
    quotas: mortal(quotas, life, ["all"]),
    webhooks: mortal(webhooks, life),
    deliveries: mortal(deliveries, life, ["placeOf", "placeAfter"]),
    ...{ unreadable: silentUnreadable, log: silentLog, now: () => world.clock },
  };
  const announceFull = createAnnounceFull(deps);
  return {
    failures: createAnnounceFailures(deps),
    missed: createAnnounceMissed(deps),
    full: announceFull,
    noteFull: createNoteFull({ ...deps, announceFull }),
  };
}

async function listen({ stores }: World, ...events: readonly WebhookEvent[]) {
  const webhook = webhookOf({ events });
  await stores.webhooks.create(webhook);
  return async (): Promise<readonly WebhookMessage[]> => {
    const { items } = await stores.deliveries.list(webhook, { pageSize: 1_000 });
    return items.toReversed().map(({ body }) => JSON.parse(body) as WebhookMessage);
  };
}

/** Jobs of the batch that fail, one after the other, as the index notes them. */
async function fail({ stores, clock }: World, batch: Batch, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const job = jobOf({ submittedAt: clock }, batch);
    const inserted = await stores.jobs.insert(job);
    if (!inserted.written) throw new Error("not inserted");
    const changes = { endedAt: clock };
    await stores.jobs.update({ jobId: job.jobId, etag: inserted.etag, from: "queued", to: "failed", changes });
    const move = { jobId: job.jobId, facts: job, from: undefined, to: "failed", runAt: undefined } as const;
    await stores.index.write([move]);
  }
}

/** A round of the sweeper. */
async function sweep(world: World): Promise<void> {
  const { stores } = world;
  const queue = startMemoryQueue().connect();
  await sweepBatches(
    {
      ...{ ...stores, queue, events: silentEvents, unreadable: silentUnreadable, log: silentLog },
      completion: { afterJobEnded: () => Promise.resolve(), reopenBatch: () => Promise.resolve() },
      announce: () => Promise.resolve(),
      announceFailures: teller(world).failures,
      ...{ lockMs: 60_000, marginMs: 10_000, now: () => world.clock },
    },
    { thorough: true },
  );
}

const sumOf = (messages: readonly WebhookMessage[]): number =>
  messages.reduce((sum, message) => sum + (message.eventType === "jobsFailed" ? message.failed : 0), 0);

describe("failed jobs", () => {
  it("are told at once, then gathered: a thousand in five minutes are eleven messages, each job in one of them", async () => {
    const world = newWorld();
    const heard = await listen(world, "jobsFailed");
    const batch = await world.stores.batches.create(batchOf({ shardCount: 1, createdAt: AT }));
    for (let second = 0; second < 300; second += 3) {
      await fail(world, batch, 10);
      await teller(world).failures(batch.batchId);
      pass(world, 3_000);
    }
    pass(world, NOTICE_EVERY_MS);
    await sweep(world);
    await sweep(world);
    const messages = await heard();
    expect(sumOf(messages)).toBe(1_000);
    expect(messages).toHaveLength(11);
    expect(messages.at(-1)).toMatchObject({ eventType: "jobsFailed", batchId: batch.batchId, failures: 1_000 });
    for (const message of messages) {
      if (message.eventType !== "jobsFailed") throw new Error(message.eventType);
      expect(message.jobIds.length).toBeGreaterThan(0);
      expect(message.jobIds.length).toBeLessThanOrEqual(FAILED_JOBS_TOLD_MAX_COUNT);
    }
  });

  it("are told by the sweeper when nobody saw them fail, and a requeue takes nothing from what was counted", async () => {
    const world = newWorld();
    const heard = await listen(world, "jobsFailed", "batchCompleted");
    const batch = await world.stores.batches.create(batchOf({ createdAt: AT }));
    await fail(world, batch, 1);
    const [failed] = (await world.stores.jobs.list(batch, { pageSize: 1, state: "failed" })).items;
    const { etag } = (await world.stores.jobs.get(failed!.jobId))!;
    await world.stores.jobs.update({ jobId: failed!.jobId, etag, from: "failed", to: "queued", changes: { ring: 2 } });
    await sweep(world);
    expect(await heard()).toMatchObject([{ eventType: "jobsFailed", failed: 1, failures: 1, jobIds: [] }]);
    const again = (await world.stores.jobs.get(failed!.jobId))!;
    const update = { jobId: failed!.jobId, etag: again.etag, from: "queued", to: "failed", changes: {} } as const;
    await world.stores.jobs.update(update);
    pass(world, NOTICE_EVERY_MS);
    await sweep(world);
    expect(await heard()).toMatchObject([{ failures: 1 }, { failed: 1, failures: 2, jobIds: [failed!.jobId] }]);
  });

  it("keep their batch from rest and its rows from removal until they are told", async () => {
    const world = newWorld();
    await listen(world, "jobsFailed");
    const { batchId } = await world.stores.batches.create(batchOf({ createdAt: AT }));
    const batch = (await world.stores.batches.get(batchId))!.value;
    await fail(world, batch, 1);
    // Counters have the time of their writes.
    world.clock = new Date(Date.now() + 3_600_000);
    await sweep(world);
    expect((await world.stores.batches.get(batchId))!.value).toMatchObject({ atRest: false, failureNotice: { to: 1 } });
    await sweep(world);
    expect((await world.stores.batches.get(batchId))!.value).toMatchObject({
      ...{ atRest: true, failureNotice: { to: 1, isMade: true } },
    });
  });

  it("are not told to a webhook that does not name them, nor later to one that is registered afterwards", async () => {
    const world = newWorld();
    const heard = await listen(world, "batchCompleted");
    const batch = await world.stores.batches.create(batchOf({ createdAt: AT }));
    await fail(world, batch, 2);
    await sweep(world);
    const late = webhookOf({ webhookName: "late", events: ["jobsFailed"] });
    await world.stores.webhooks.create(late);
    pass(world, NOTICE_EVERY_MS);
    await sweep(world);
    expect(await heard()).toEqual([]);
    expect((await world.stores.deliveries.list(late, { pageSize: 10 })).items).toEqual([]);
  });
});

describe("a process that dies at any call, with another that follows", () => {
  /** Runs a step that dies at its nth call, for every n, then a living one. */
  async function everyDeath(
    prepare: (world: World) => Promise<unknown>,
    tell: (tellers: ReturnType<typeof teller>) => Promise<void>,
    judge: (messages: readonly WebhookMessage[]) => void,
    event: WebhookEvent,
  ): Promise<void> {
    for (const diesBefore of [true, false]) {
      for (let diesAt = 1; ; diesAt++) {
        const world = newWorld();
        const heard = await listen(world, event);
        await prepare(world);
        const life = { calls: 0, diesAt, diesBefore };
        await tell(teller(world, life));
        pass(world, NOTICE_EVERY_MS);
        await tell(teller(world));
        judge(await heard());
        if (!isDead(life)) {
          expect(diesAt).toBeGreaterThan(5);
          break;
        }
      }
    }
  }

  it("loses no failed job, and tells of none twice", async () => {
    const batch = batchOf({ createdAt: AT });
    await everyDeath(
      async (world) => {
        await world.stores.batches.create(batch);
        await fail(world, batch, 3);
      },
      ({ failures }) => failures(batch.batchId),
      (messages) => expect(messages).toMatchObject([{ eventType: "jobsFailed", failed: 3 }]),
      "jobsFailed",
    );
  });

  it("loses no missed tick", async () => {
    const timer = timerOf({});
    const run = { ...newTimerRun(batchIdOf(timer)), missedCount: 4, lastMissedAt: AT };
    await everyDeath(
      async ({ stores }) => {
        await stores.timers.write(timer, undefined);
        await stores.timers.writeRun(run, undefined);
      },
      ({ missed }) => missed(),
      (messages) =>
        expect(messages).toMatchObject([
          {
            eventType: "timerMissed",
            timerName: timer.timerName,
            missed: 4,
            missedCount: 4,
            lastMissedAt: AT.toISOString(),
          },
        ]),
      "timerMissed",
    );
  });

  it("loses no full quota", async () => {
    const full = { quota: "jobsPerDay", limit: 5, used: 5 } as const;
    const usual = { tenantName: "acme", jobsPerDay: 5, storedBytes: undefined, setAt: AT, setBy: "ada" };
    await everyDeath(
      ({ stores }) =>
        stores.quotas.put({ ...usual, day: "", jobsTaken: 0, storedNow: undefined, storedAt: undefined }, undefined),
      async ({ noteFull, full: announce }) => {
        await noteFull("acme", full);
        await announce.all();
      },
      (messages) => expect(messages).toMatchObject([{ eventType: "quotaFull", ...full }]),
      "quotaFull",
    );
  });
});

describe("missed ticks", () => {
  it("of one timer are gathered, and those of a timer that misses none cost nothing but a read", async () => {
    const world = newWorld();
    const heard = await listen(world, "timerMissed");
    const timer = timerOf({});
    await world.stores.timers.write(timer, undefined);
    const batchId = batchIdOf(timer);
    await world.stores.timers.writeRun({ ...newTimerRun(batchId), missedCount: 1, lastMissedAt: AT }, undefined);
    await teller(world).missed();
    const { value, etag } = (await world.stores.timers.run(batchId))!;
    await world.stores.timers.writeRun({ ...value, missedCount: 300 }, etag);
    await teller(world).missed();
    pass(world, NOTICE_EVERY_MS);
    await teller(world).missed();
    await teller(world).missed();
    expect(await heard()).toMatchObject([{ missed: 1 }, { missed: 299, missedCount: 300 }]);
  });
});

describe("a full quota", () => {
  it("is told once a day, however many submits and instances it refuses", async () => {
    const world = newWorld();
    const heard = await listen(world, "quotaFull");
    const usual = { tenantName: "acme", jobsPerDay: 1, storedBytes: undefined, setAt: AT, setBy: "ada" };
    const unused = { day: "", jobsTaken: 0, storedNow: undefined, storedAt: undefined };
    await world.stores.quotas.put({ ...usual, ...unused }, undefined);
    const instances = [1, 2].map(() =>
      createQuotas({
        quotas: world.stores.quotas,
        noteFull: teller(world).noteFull,
        now: () => world.clock,
        monotonicNow: () => world.clock.getTime(),
      }),
    );
    const submit = async () => {
      for (let n = 0; n < 20; n++) for (const { admit } of instances) await admit("acme");
      await teller(world).full.all();
    };
    await submit();
    expect(await heard()).toMatchObject([{ eventType: "quotaFull", quota: "jobsPerDay", limit: 1, used: 1 }]);
    pass(world, 24 * 3_600_000);
    await submit();
    expect(await heard()).toHaveLength(2);
  });
});
