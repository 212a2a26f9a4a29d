/** The contract of core/ports/worker-store.ts. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import type { CancelIntent, WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import { jobOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

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

const intentOf = (): CancelIntent => ({ jobId: jobOf().jobId, claimId: randomUUID() });

/** The ETag of a heartbeat that must have been written. */
async function beaten(beat: ReturnType<WorkerStore["beat"]>): Promise<string> {
  const result = await beat;
  if (!result.written) throw new Error("not written");
  return result.etag;
}

describe.each(BACKINGS)("over $name", ({ start }) => {
  const open = start();
  const newStore = (): WorkerStore => open().workers;

  describe("a worker's row", () => {
    it("a worker is read back as it was written, with a thousand claims and intents", async () => {
      const record = recordOf({
        version: "ü \u2028 '\"",
        state: "draining",
        claims: Array.from({ length: 1_000 }, () => randomUUID()),
        cancel: Array.from({ length: 1_000 }, intentOf),
        drain: true,
      });
      await beaten(newStore().beat(record, undefined));
      expect(await newStore().get(record.pool, record.workerId)).toEqual(record);
    });

    it("a worker's shorter list replaces a longer one completely", async () => {
      const record = recordOf({ claims: Array.from({ length: 1_000 }, () => randomUUID()), cancel: [intentOf()] });
      let etag = await beaten(newStore().beat(record, undefined));
      for (const claims of [["one", "two"], []]) {
        const shorter = { ...record, claims, cancel: [] };
        etag = await beaten(newStore().beat(shorter, etag));
        expect(await newStore().get(record.pool, record.workerId)).toEqual(shorter);
      }
    });

    it("reading an unknown worker finds nothing", async () => {
      expect(await newStore().get(freshTenant(), "w-1")).toBeUndefined();
    });

    it("workers are listed by pool, or all together", async () => {
      const [pool, other] = [freshTenant(), freshTenant()];
      const records = ["a", "b", "c"].map((workerId) => recordOf({ pool, workerId }));
      const elsewhere = recordOf({ pool: other });
      for (const record of [...records, elsewhere]) await newStore().beat(record, undefined);
      expect(await newStore().list(pool)).toEqual(records);
      expect(await newStore().list(freshTenant())).toEqual([]);
      expect(await newStore().list()).toEqual(expect.arrayContaining([...records, elsewhere]));
    });

    it("reading a worker by an invalid name or in another pool finds nothing", async () => {
      const record = recordOf();
      await newStore().beat(record, undefined);
      for (const name of ["a/b", "a\\b", "a#b", "a?b", "\u0000", "", "x".repeat(300)]) {
        expect(await newStore().get(record.pool, name)).toBeUndefined();
        expect(await newStore().get(name, record.workerId)).toBeUndefined();
      }
      expect(await newStore().get(freshTenant(), record.workerId)).toBeUndefined();
    });
  });

  describe("a heartbeat", () => {
    it("a heartbeat is refused after a new intent, and written with the version that has it", async () => {
      const record = recordOf({ claims: ["c-1"] });
      const etag = await beaten(newStore().beat(record, undefined));
      const intent = intentOf();
      await newStore().requestCancel(record.pool, record.workerId, intent);
      const refused = await newStore().beat({ ...record, claims: [] }, etag);
      expect(refused).toMatchObject({ written: false, current: { value: { ...record, cancel: [intent] } } });
      if (refused.written) throw new Error("written");
      await beaten(newStore().beat(record, refused.current?.etag));
      expect(await newStore().get(record.pool, record.workerId)).toEqual(record);
    });

    it("the first heartbeat of a boot replaces the row of an earlier boot, intents included", async () => {
      const record = recordOf({ claims: ["c-1"], cancel: [intentOf()], drain: true });
      const etag = await beaten(newStore().beat(record, undefined));
      const next = recordOf({ pool: record.pool, bootId: "boot-2" });
      await beaten(newStore().beat(next, undefined));
      expect(await newStore().get(record.pool, record.workerId)).toEqual(next);
      expect(await newStore().beat(record, etag)).toMatchObject({ written: false, current: { value: next } });
    });

    it("the first heartbeat of a boot does not replace a row of the same boot", async () => {
      const record = recordOf();
      await newStore().beat(record, undefined);
      await newStore().requestDrain(record.pool, record.workerId);
      const again = await newStore().beat(record, undefined);
      expect(again).toMatchObject({ written: false, current: { value: { ...record, drain: true } } });
    });

    it("a heartbeat with a version is refused if the worker has no row", async () => {
      const other = recordOf();
      const etag = await beaten(newStore().beat(other, undefined));
      expect(await newStore().beat(recordOf(), etag)).toEqual({ written: false, current: undefined });
    });
  });

  describe("an intent", () => {
    it("an intent for a worker without a row does nothing", async () => {
      const { pool, workerId } = recordOf();
      await newStore().requestCancel(pool, workerId, intentOf());
      await newStore().requestDrain(pool, workerId);
      expect(await newStore().list(pool)).toEqual([]);
    });

    it("an intent is stored once, also when it is repeated, and only for the worker of its pool", async () => {
      const [record, other] = [recordOf(), recordOf()];
      for (const one of [record, other]) await newStore().beat(one, undefined);
      const [one, two] = [intentOf(), intentOf()];
      for (const intent of [one, two, one]) await newStore().requestCancel(record.pool, record.workerId, intent);
      for (let i = 0; i < 2; i++) await newStore().requestDrain(record.pool, record.workerId);
      const expected = { ...record, cancel: [one, two], drain: true };
      expect(await newStore().get(record.pool, record.workerId)).toEqual(expected);
      expect(await newStore().get(other.pool, other.workerId)).toEqual(other);
    });

    it("a row keeps its first thousand intents", async () => {
      const record = recordOf();
      const store = newStore();
      await store.beat(record, undefined);
      const intents = Array.from({ length: 1_200 }, intentOf);
      await Promise.all(intents.map((intent) => store.requestCancel(record.pool, record.workerId, intent)));
      expect((await store.get(record.pool, record.workerId))?.cancel).toEqual(intents.slice(0, 1_000));
    });
  });
});
