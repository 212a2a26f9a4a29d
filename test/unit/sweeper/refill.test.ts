/** The refill and the window of submits together, over services in memory: what they promise whatever fails or is lost. */
import { describe, expect, it } from "vitest";
import { type RingWindowDeps, createRingWindow } from "../../../runtime/api/submit/ring-window.ts";
import { createBellOutbox } from "../../../runtime/api/submit/bell-outbox.ts";
import { type Pause, createPauseSet } from "../../../runtime/core/admission/pause.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import { subjectOf } from "../../../runtime/core/job/message.ts";
import { outgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { createQueueLoads } from "../../../runtime/lifecycle/queue-loads.ts";
import { createRefill } from "../../../runtime/sweeper/refill.ts";
import { batchOf, jobOf, workerOf } from "../../support/builders.ts";
import { silentEvents, silentLog, silentUnreadable } from "../../support/silent.ts";
import { startMemoryQueue } from "../../support/stores/memory-queue.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";

const QUEUE = jobQueueName("default", "normal");
/** More than the time after a change of pauses in which notes stay. */
const LATER_MS = 60_000;

const pausedType = (tenantName: string, jobType: string): Pause => ({
  subject: { kind: "type", tenantName, jobType },
  ...{ pausedAt: new Date(), pausedBy: "ada", reason: undefined },
});

async function setUp(slots = 4) {
  const stores = createMemoryStores();
  const queue = startMemoryQueue().connect();
  await stores.workers.beat(workerOf({ slots }), undefined);
  let monotonicMs = LATER_MS;
  let pauses = createPauseSet({ pauses: [], runningLimits: [] });
  const now = (): Date => new Date();
  const monotonicNow = (): number => monotonicMs;
  const board = { current: () => pauses };
  let lookCount = 0;
  const watched: Pick<typeof queue, "peek"> = {
    peek: (...request) => {
      lookCount++;
      return queue.peek(...request);
    },
  };
  const loads = createQueueLoads({ ...stores, queue: watched, silentAfterMs: 60_000, now, monotonicNow });
  const shared = { ...stores, queue, loads, pauses: board, monotonicNow, now, log: silentLog };
  const completion = createBatchCompletion({ ...stores, events: silentEvents, now });
  const outbox = createBellOutbox({ queue, log: silentLog });
  const newRefill = () =>
    createRefill({
      ...shared,
      completion,
      waitsForAnother: () => Promise.resolve(false),
      unreadable: silentUnreadable,
    });
  const refill = newRefill();

  return {
    ...stores,
    refill,
    completion,
    newRefill,
    window: createRingWindow({ ...shared, outbox, onParked: () => undefined }),
    windowOver: (given: Pick<RingWindowDeps, "outbox" | "onParked">) => createRingWindow({ ...shared, ...given }),
    outbox,
    blindWindow: createRingWindow({
      ...shared,
      outbox,
      loads: { ...loads, look: () => Promise.reject(new UnavailableError("BusUnavailable", "away")) },
      onParked: () => undefined,
    }),
    looks: () => lookCount,
    pass: (ms: number) => void (monotonicMs += ms),
    pause: (found: readonly Pause[]) => void (pauses = createPauseSet({ pauses: found, runningLimits: [] })),
    batch: (tenantName: string): Promise<Batch> => stores.batches.create(batchOf({ tenantName })),
    rows: async (batch: Batch, count: number, fields: Partial<Job> = {}): Promise<Stored<Job>[]> => {
      const rows: Stored<Job>[] = [];
      for (let i = 0; i < count; i++) {
        const job = jobOf(fields, batch);
        const result = await stores.jobs.insert(job);
        if (!result.written) throw new Error("not inserted");
        rows.push({ value: job, etag: result.etag });
      }
      return rows;
    },
    round: async (by = refill) => {
      monotonicMs += 1_500;
      return by.round();
    },
    bells: async (): Promise<string[]> => {
      const page = await queue.peek(QUEUE, { deadLetter: false, maxCount: 250 });
      return page.flatMap(({ parsed }) => subjectOf(parsed)?.jobId ?? []);
    },
    /** As a worker: takes bells and ends their jobs. Resolves to their ids. */
    work: async (count: number): Promise<string[]> => {
      const receiver = queue.receiver(QUEUE);
      const ids: string[] = [];
      for (const delivery of await receiver.receive(0, count)) {
        const jobId = subjectOf(delivery.parsed)?.jobId ?? "";
        const row = await stores.jobs.get(jobId);
        if (row?.value.state === "queued") {
          ids.push(jobId);
          await stores.jobs.update({ jobId, etag: row.etag, from: "queued", to: "canceled", changes: {} });
        }
        await delivery.complete();
      }
      return ids;
    },
  };
}

const bellsOf = (rows: readonly Stored<Job>[]) => rows.map(outgoingBell);

describe("the window and the refill", () => {
  it("a tenant has its share of bells in the queue, every job is rung for once, and the note goes away", async () => {
    const { batch, rows, window, bells, round, work, waiting } = await setUp();
    const written = await rows(await batch("many"), 60);
    await window.send(QUEUE, bellsOf(written));
    expect((await bells()).length).toBe(8);
    expect((await waiting.list()).map(({ value }) => value.queue)).toEqual([QUEUE]);
    const done: string[] = [];
    for (let i = 0; i < 100 && done.length < 60; i++) {
      done.push(...(await work(4)));
      await round();
      expect((await bells()).length).toBeLessThanOrEqual(16);
    }
    expect(done.toSorted()).toEqual(written.map(({ value }) => value.jobId).toSorted());
    for (let i = 0; i < 12; i++) await round();
    expect(await waiting.list()).toEqual([]);
    expect(await bells()).toEqual([]);
  });

  it("a second tenant has bells in the queue although the first has thousands of jobs", async () => {
    const { batch, rows, window, bells, round, work } = await setUp();
    await window.send(QUEUE, bellsOf(await rows(await batch("many"), 500)));
    await round();
    await window.send(QUEUE, bellsOf(await rows(await batch("few"), 10)));
    const share = (ids: readonly string[]): number => ids.filter((id) => id.startsWith("few.")).length;
    expect(share(await bells())).toBe(4);
    const order: string[] = [];
    for (let i = 0; i < 12; i++) {
      order.push(...(await work(4)));
      await round();
    }
    expect(share(order)).toBe(10);
  });

  it("another process takes the refill over at any moment and no job is forgotten", async () => {
    const { batch, rows, window, newRefill, round, work } = await setUp();
    const written = await rows(await batch("many"), 40);
    await window.send(QUEUE, bellsOf(written));
    const done = new Set<string>();
    for (let i = 0; i < 60 && done.size < 40; i++) {
      for (const jobId of await work(3)) done.add(jobId);
      await round(newRefill());
    }
    expect(done.size).toBe(40);
  });

  it("jobs of a paused type are passed over, and rung for when it is resumed", async () => {
    const { batch, rows, window, pause, round, work, waiting } = await setUp();
    const held = [pausedType("acme", "Held")];
    pause(held);
    const ofBatch = await batch("acme");
    const [paused, free] = [await rows(ofBatch, 5, { jobType: "Held" }), await rows(ofBatch, 5, { jobType: "Free" })];
    await window.send(QUEUE, bellsOf([...paused, ...free]));
    const done: string[] = [];
    for (let i = 0; i < 20; i++) {
      done.push(...(await work(4)));
      await round();
    }
    expect(done.toSorted()).toEqual(free.map(({ value }) => value.jobId).toSorted());
    expect((await waiting.list()).length).toBe(1);
    pause([]);
    for (let i = 0; i < 10; i++) {
      await round();
      done.push(...(await work(4)));
    }
    expect(done.length).toBe(10);
  });

  it("a note that is written again while a pass ends stays, and the new job is rung for", async () => {
    const { batch, rows, window, round, work, waiting } = await setUp();
    const ofBatch = await batch("many");
    await window.send(QUEUE, bellsOf(await rows(ofBatch, 9)));
    const done: string[] = [];
    for (let i = 0; i < 10; i++) {
      done.push(...(await work(4)));
      await round();
    }
    // Parked by a worker or another API, whose rows a pass may have gone by.
    const late = await rows(ofBatch, 1);
    await waiting.note(QUEUE, ofBatch.batchId);
    for (let i = 0; i < 20; i++) {
      await round();
      done.push(...(await work(4)));
    }
    expect(done).toContain(late[0]?.value.jobId);
    expect(done.length).toBe(10);
  });

  it("a complete batch whose note is still there is not opened again, unless one of its jobs is rung for", async () => {
    const { batch, rows, waiting, batches, completion, round, bells, jobs } = await setUp();
    const all = await batch("done");
    const [first] = await rows(all, 1);
    await batches.update(all.batchId, (await batches.get(all.batchId))!.etag, { state: "closed" });
    const { jobId } = first!.value;
    await jobs.update({ jobId, etag: first!.etag, from: "queued", to: "canceled", changes: {} });
    await completion.afterJobEnded(all.batchId);
    const generation = async () => (await batches.get(all.batchId))?.value.generation;

    await waiting.note(QUEUE, all.batchId);
    await round();
    expect(await generation()).toBe(1);

    // Inserted while the batch was being completed.
    const [late] = await rows(all, 1);
    await waiting.note(QUEUE, all.batchId);
    await round();
    expect(await bells()).toEqual([late!.value.jobId]);
    expect(await generation()).toBe(2);
  });

  it("bells are sent when the queue cannot be looked at", async () => {
    const { batch, rows, blindWindow, bells } = await setUp();
    await blindWindow.send(QUEUE, bellsOf(await rows(await batch("many"), 30)));
    expect((await bells()).length).toBe(30);
  });

  it("short jobs of one after the other are never parked: a used-up share is looked at again", async () => {
    const { batch, rows, window, pass, work, waiting, looks } = await setUp();
    const ofBatch = await batch("acme");
    for (let i = 0; i < 80; i++) {
      await window.send(QUEUE, bellsOf(await rows(ofBatch, 1)));
      await work(1);
      pass(20);
    }
    expect(await waiting.list()).toEqual([]);
    expect(looks()).toBeLessThanOrEqual(80 / 8);
  });

  it("a tenant whose share is full is looked at once a second, however often it submits", async () => {
    const { batch, rows, window, pass, bells, looks } = await setUp();
    const ofBatch = await batch("acme");
    for (let i = 0; i < 300; i++) {
      await window.send(QUEUE, bellsOf(await rows(ofBatch, 1)));
      pass(10);
    }
    expect((await bells()).length).toBe(8);
    // One for the first eight, one that finds them, and one for each second after it.
    expect(looks()).toBeLessThanOrEqual(5);
  });

  it("bells on their way to the queue count for other submits, and the refill is not woken before they are there", async () => {
    const { batch, rows, windowOver, outbox, refill, bells, pass } = await setUp();
    const gate = Promise.withResolvers<undefined>();
    let wokenCount = 0;
    const slow = {
      ...outbox,
      waitingCount: 0,
      send: (...sent: Parameters<typeof outbox.send>) => gate.promise.then(() => outbox.send(...sent)),
    };
    const window = windowOver({
      outbox: slow,
      onParked: () => {
        wokenCount++;
      },
    });
    const ofBatch = await batch("many");
    const first = window.send(QUEUE, bellsOf(await rows(ofBatch, 8)));
    const second = window.send(QUEUE, bellsOf(await rows(ofBatch, 8)));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(wokenCount).toBe(0);
    // Long enough for another look, which does not find the eight.
    pass(60);
    const third = window.send(QUEUE, bellsOf(await rows(ofBatch, 8)));
    gate.resolve(undefined);
    await Promise.all([first, second, third]);
    await Promise.resolve();
    expect(wokenCount).toBe(2);
    expect(await refill.round()).toMatchObject({ rangCount: 0 });
    expect((await bells()).length).toBe(8);
  });

  it("a round tells that the queue drains, so that the next one comes soon", async () => {
    const { batch, rows, window, round, work } = await setUp();
    await window.send(QUEUE, bellsOf(await rows(await batch("many"), 60)));
    expect(await round()).toEqual({ rangCount: 0, isPending: true, isDraining: false });
    await work(4);
    expect(await round()).toEqual({ rangCount: 4, isPending: true, isDraining: false });
    await work(8);
    expect(await round()).toMatchObject({ isPending: true, isDraining: true });
  });

  it("a tenant that submits now and then is not asked for: one look serves eight bells", async () => {
    const { batch, rows, looks, window, pass, work } = await setUp();
    const ofBatch = await batch("acme");
    for (let i = 0; i < 16; i++) {
      await window.send(QUEUE, bellsOf(await rows(ofBatch, 1)));
      await work(1);
      pass(10_000);
    }
    expect(looks()).toBeLessThanOrEqual(2);
  });
});
