/** Workers' rows over what goes wrong with storage; what the port promises is in ports/worker-store.test.ts. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createWorkerStore } from "../../../runtime/azure/index.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import type { CancelIntent, WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import { jobOf } from "../../support/builders.ts";
import { type SeededRandom, seededRandom } from "../../support/seeded-random.ts";
import { type Fate, startStorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const newStore = (connectionString?: string): WorkerStore =>
  createWorkerStore({ storage: testStorage(connectionString) });

const recordOf = (fields: Partial<WorkerRecord> = {}): WorkerRecord => ({
  pool: freshTenant(),
  workerId: "w-1",
  bootId: "boot-1",
  startedAt: new Date("2026-03-01T08:00:00.001Z"),
  heartbeatAt: new Date("2026-03-01T08:00:05.002Z"),
  state: "running",
  slots: 4,
  version: "1.2.3",
  claims: [],
  cancel: [],
  drain: false,
  ...fields,
});

const BEAT_MS = 15;

const intentOf = (): CancelIntent => ({ jobId: jobOf().jobId, claimId: randomUUID() });

/** The ETag of a heartbeat that must have been written. */
async function beaten(beat: ReturnType<WorkerStore["beat"]>): Promise<string> {
  const result = await beat;
  if (!result.written) throw new Error("not written");
  return result.etag;
}

const isBeat = ({ method }: { readonly method: string }): boolean => ["PUT", "PATCH", "POST"].includes(method);

describe("a worker's row", () => {
  it("shows nothing of a longer list when a shorter one takes its place, and of none once it starts anew", async () => {
    const record = recordOf({ claims: Array.from({ length: 1_000 }, () => randomUUID()), cancel: [intentOf()] });
    let etag = await beaten(newStore().beat(record, undefined));
    for (const claims of [["one", "two"], []]) {
      const shorter = { ...record, claims, cancel: [] };
      etag = await beaten(newStore().beat(shorter, etag));
      expect(await newStore().get(record.pool, record.workerId)).toEqual(shorter);
    }
    await beaten(newStore().beat({ ...record, bootId: "boot-2", claims: [], cancel: [] }, undefined));
    const row = await testStorage().table(TABLES.workers).retrying.getEntity(record.pool, record.workerId);
    const pieces = Object.entries(row).filter(([name]) => name.startsWith("claims") || name.startsWith("cancel"));
    expect(Object.fromEntries(pieces)).toEqual({ claims_0: "", cancel_0: "" });
  });
});

describe("a heartbeat", () => {
  it("whose answer was lost is found in the row", async () => {
    await using network = await startStorageProxy();
    const store = newStore(network.connectionString);
    const record = recordOf();
    network.decide = (request) => (isBeat(request) ? "lose" : "pass");
    const first = await store.beat(record, undefined);
    expect(first).toMatchObject({ written: false, current: { value: record } });
    const next = { ...record, claims: ["c-1"] };
    const second = await store.beat(next, first.written ? first.etag : first.current?.etag);
    expect(second).toMatchObject({ written: false, current: { value: next } });
  });

  it("a heartbeat finds no row after its removal", async () => {
    const record = recordOf();
    const etag = await beaten(newStore().beat(record, undefined));
    await testStorage().table(TABLES.workers).retrying.deleteEntity(record.pool, record.workerId);
    expect(await newStore().beat(record, etag)).toEqual({ written: false, current: undefined });
  });

  it.each([
    { name: "first", isFirst: true },
    { name: "later", isFirst: false },
  ])("that comes late, a $name one, wipes no intent", async ({ isFirst }) => {
    await using network = await startStorageProxy();
    const late = newStore(network.connectionString);
    const earlier = recordOf({ bootId: isFirst ? "boot-0" : "boot-1" });
    const etag = await beaten(newStore().beat(earlier, undefined));
    let held = 1;
    network.decide = (request) => (isBeat(request) && held-- > 0 ? "late" : "pass");
    const record = { ...earlier, bootId: "boot-1", claims: ["c-1"] };
    await late.beat(record, isFirst ? undefined : etag);
    const intent = intentOf();
    await newStore().requestCancel(record.pool, record.workerId, intent);
    await network.releaseLate();
    expect((await newStore().get(record.pool, record.workerId))?.cancel).toEqual([intent]);
  });

  it("throws UnavailableError when storage is away", async () => {
    await using network = await startStorageProxy();
    network.decide = () => "drop";
    await expect(newStore(network.connectionString).beat(recordOf(), "etag")).rejects.toThrow(UnavailableError);
  });
});

describe("an intent", () => {
  it("is kept once, however often it is left, also when the answer is lost", async () => {
    await using network = await startStorageProxy();
    const record = recordOf();
    await newStore().beat(record, undefined);
    const [one, two] = [intentOf(), intentOf()];
    let faults = 1;
    network.decide = ({ method }) => (method === "PATCH" && faults-- > 0 ? "lose" : "pass");
    const stores = [newStore(network.connectionString), newStore()];
    for (const intent of [one, two, one]) {
      for (const store of stores) await store.requestCancel(record.pool, record.workerId, intent);
    }
    for (const store of stores) await store.requestDrain(record.pool, record.workerId);
    const expected = { ...record, cancel: [one, two], drain: true };
    expect(await newStore().get(record.pool, record.workerId)).toEqual(expected);
    // One write each: the one whose answer was lost was found in the row, and what is there is not written again.
    expect(network.requests.filter(({ method }) => method === "PATCH")).toHaveLength(3);
  });

  it("leaves together with those of the same moment, up to a thousand on a row, the oldest kept", async () => {
    await using network = await startStorageProxy();
    const record = recordOf();
    await newStore().beat(record, undefined);
    const store = newStore(network.connectionString);
    const intents = Array.from({ length: 1_200 }, intentOf);
    await Promise.all(intents.map((intent) => store.requestCancel(record.pool, record.workerId, intent)));
    const stored = await newStore().get(record.pool, record.workerId);
    expect(stored?.cancel).toEqual(intents.slice(0, 1_000));
    expect(network.requests.length).toBeLessThan(10);
  });
});

describe("heartbeats and intents that race", () => {
  it.each([
    { seed: 11, faults: 0 },
    { seed: 13, faults: 0.15 },
  ])("lose no intent (seed $seed, faults $faults)", async ({ seed, faults }) => {
    await using network = await startStorageProxy();
    const random = seededRandom(seed);
    const fates = random.fork();
    network.decide = () =>
      fates.chance(faults) ? fates.pick<Fate>(["drop", "lose", "late", "fail", "fail-after"]) : "pass";
    const record = recordOf();
    const start = await beaten(newStore().beat(record, undefined));
    const requesters = Array.from({ length: 4 }, () => random.fork());
    const asking = Promise.all(requesters.map((own) => leaveIntents(newStore(network.connectionString), record, own)));
    let isOver = false;
    const beating = runWorker(newStore(network.connectionString), record, start, () => isOver);
    const asked = (await asking).flat();
    const left = asked.filter(({ isLeft }) => isLeft);
    network.decide = () => "pass";
    await network.releaseLate();
    isOver = true;
    const { heard, beats } = await beating;
    expect(left.filter(({ claimId }) => !heard.has(claimId))).toEqual([]);
    // Most of them come through; and so it was a race.
    expect(left.length).toBeGreaterThan(asked.length / 2);
    expect(asked.length + beats).toBeGreaterThan(300);
    expect(await newStore().get(record.pool, record.workerId)).toMatchObject({ cancel: [], drain: false });
  });

  /** Leaves intents, some at once; resolves to all of them, and whether it was told that they are there. */
  async function leaveIntents(
    store: WorkerStore,
    { pool, workerId }: WorkerRecord,
    random: SeededRandom,
  ): Promise<{ claimId: string; isLeft: boolean }[]> {
    const asked: { claimId: string; isLeft: boolean }[] = [];
    const leave = async (intent: CancelIntent): Promise<void> => {
      const entry = { claimId: intent.claimId, isLeft: false };
      asked.push(entry);
      try {
        await store.requestCancel(pool, workerId, intent);
        entry.isLeft = true;
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
      }
    };
    for (let step = 0; step < 40; step++) {
      await Promise.all(Array.from({ length: random.chance(0.3) ? 4 : 1 }, () => leave(intentOf())));
    }
    return asked;
  }

  /** Beats far more often than a real one, takes off what it has heard, and ends with a heartbeat that finds nothing new. */
  async function runWorker(store: WorkerStore, record: WorkerRecord, start: string, isOver: () => boolean) {
    const heard = new Set<string>();
    let etag = start;
    let beats = 0;
    for (;;) {
      const wasOver = isOver();
      await pause(BEAT_MS);
      try {
        const result = await store.beat({ ...record, claims: [String(++beats)] }, etag);
        if (result.written && wasOver) return { heard, beats };
        if (result.written) etag = result.etag;
        else {
          for (const { claimId } of result.current!.value.cancel) heard.add(claimId);
          etag = result.current!.etag;
        }
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
      }
    }
  }
});
