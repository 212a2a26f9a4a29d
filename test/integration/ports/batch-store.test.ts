/** The contract of core/ports/batch-store.ts. */
import { describe, expect, it } from "vitest";
import { InvalidRequestError } from "../../../runtime/core/errors.ts";
import { createIdSource } from "../../../runtime/core/job/ids.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { batchOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

describe.each(BACKINGS)("over $name", ({ start }) => {
  const open = start();
  const newStore = () => open().batches;

  describe("a batch", () => {
    it("a batch is read back as it was created", async () => {
      const batch = batchOf({
        tenantName: freshTenant(),
        batchName: "Year end ü '\u2028'",
        priority: "high",
        shardCount: 16,
      });
      expect(await newStore().create(batch)).toEqual(batch);
      expect(await newStore().get(batch.batchId)).toMatchObject({ value: batch });
    });

    it("creating a batch again does not change it", async () => {
      const batch = batchOf({ tenantName: freshTenant() });
      await newStore().create(batch);
      expect(await newStore().create({ ...batch, batchName: "other" })).toEqual(batch);
      expect(await newStore().get(batch.batchId)).toMatchObject({ value: batch });
    });

    it("reading a batch by an unknown or invalid id finds nothing", async () => {
      expect(await newStore().get(batchOf({ tenantName: freshTenant() }).batchId)).toBeUndefined();
      expect(await newStore().get("../x")).toBeUndefined();
    });
  });

  describe("a change of a batch", () => {
    async function newBatch(fields: Partial<Batch> = {}): Promise<Stored<Batch>> {
      const { batchId } = await newStore().create(batchOf({ tenantName: freshTenant(), ...fields }));
      return (await newStore().get(batchId))!;
    }

    it("a change of a batch sets and clears its fields, keeps the others, and returns the new version", async () => {
      const { value, etag } = await newBatch({ completedAt: new Date(5) });
      const { batchId } = value;
      const changes = { state: "closed", generation: 3, completedGeneration: 2, atRest: true } as const;
      const first = await newStore().update(batchId, etag, { ...changes, completedAt: new Date(7) });
      const changed = { ...value, ...changes, completedAt: new Date(7) };
      expect(await newStore().get(batchId)).toEqual({ value: changed, etag: first.written ? first.etag : "" });
      if (!first.written) throw new Error("not written");
      const second = await newStore().update(batchId, first.etag, { completedAt: undefined });
      expect(second.written).toBe(true);
      expect((await newStore().get(batchId))?.value).toEqual({ ...changed, completedAt: undefined });
    });

    it("a change of a batch makes a new version even without fields", async () => {
      const { value, etag } = await newBatch();
      const result = await newStore().update(value.batchId, etag, { generation: value.generation });
      expect(result.written).toBe(true);
      const refused = await newStore().update(value.batchId, etag, { completedGeneration: 1 });
      expect(refused).toMatchObject({ written: false, current: { value } });
    });

    it("a change of a batch is refused for an outdated version and for a missing batch", async () => {
      const { value, etag } = await newBatch();
      await newStore().update(value.batchId, etag, { state: "closed" });
      const current = await newStore().get(value.batchId);
      expect(current?.value.state).toBe("closed");
      expect(await newStore().update(value.batchId, etag, { state: "open" })).toEqual({ written: false, current });
      const absent = batchOf({ tenantName: freshTenant() });
      expect(await newStore().update(absent.batchId, etag, {})).toEqual({ written: false, current: undefined });
    });

    it("concurrent changes of a batch lose no increment", async () => {
      const { value } = await newBatch({ generation: 0 });
      const [writers, increments] = [6, 20];
      const countUp = async (): Promise<void> => {
        const store = newStore();
        let current = await store.get(value.batchId);
        for (let done = 0; done < increments;) {
          const generation = current!.value.generation + 1;
          const result = await store.update(value.batchId, current!.etag, { generation });
          if (result.written) done++;
          current = result.written ? { value: { ...value, generation }, etag: result.etag } : result.current;
        }
      };
      await Promise.all(Array.from({ length: writers }, countUp));
      expect((await newStore().get(value.batchId))?.value.generation).toBe(writers * increments);
    });
  });

  describe("active batches", () => {
    it("the list of active batches has those of all tenants that are not at rest, with their versions", async () => {
      const tenants = [freshTenant(), freshTenant()];
      for (const tenantName of tenants) {
        const [resting, reopened, open] = [0, 1, 2].map(() => batchOf({ tenantName, createdAt: new Date(0) }));
        for (const batch of [resting!, reopened!, open!]) await newStore().create(batch);
        for (const { batchId } of [resting!, reopened!]) {
          const { etag } = (await newStore().get(batchId))!;
          await newStore().update(batchId, etag, { atRest: true });
        }
        const { etag } = (await newStore().get(reopened!.batchId))!;
        await newStore().update(reopened!.batchId, etag, { atRest: false });
        const ids = [reopened!, open!].map(({ batchId }) => batchId).sort();
        expect((await activeOf(tenantName)).map(({ batchId }) => batchId).sort()).toEqual(ids);
      }
      for await (const { value, etag } of newStore().active(() => undefined)) {
        if (tenants.includes(value.tenantName)) expect(await newStore().get(value.batchId)).toEqual({ value, etag });
      }
    });
  });

  async function activeOf(tenantName: string): Promise<Batch[]> {
    const batches: Batch[] = [];
    for await (const { value } of newStore().active(() => undefined))
      if (value.tenantName === tenantName) batches.push(value);
    return batches;
  }

  describe("the list of a tenant's batches", () => {
    it("the list of a tenant's batches has each of them once, newest first", async () => {
      const [tenantName, other] = [freshTenant(), freshTenant()];
      let now = Date.UTC(2026, 0, 1);
      const ids = createIdSource({ now: () => new Date(now++), random32: () => 7 });
      const batches: Batch[] = [];
      for (let count = 0; count < 12; count++) {
        batches.unshift(await newStore().create(batchOf({ tenantName, batchId: ids.batchId(tenantName) })));
        await newStore().create(batchOf({ tenantName: other }));
      }
      for (const pageSize of [5, 12, 100]) {
        const listed: Batch[] = [];
        let continuationToken: string | undefined;
        do {
          const page = await newStore().list(tenantName, { pageSize, continuationToken });
          expect(page.items.length).toBeLessThanOrEqual(pageSize);
          listed.push(...page.items);
          ({ continuationToken } = page);
        } while (continuationToken !== undefined);
        expect(listed).toEqual(batches);
      }
    });

    it("the list of a tenant's batches refuses the token of another tenant and an invented one", async () => {
      const tenantName = freshTenant();
      for (let count = 0; count < 2; count++) await newStore().create(batchOf({ tenantName }));
      const { continuationToken } = await newStore().list(tenantName, { pageSize: 1 });
      expect(continuationToken).toBeDefined();
      await expect(newStore().list(freshTenant(), { pageSize: 1, continuationToken })).rejects.toThrow(
        InvalidRequestError,
      );
      const listing = newStore().list(tenantName, { pageSize: 1, continuationToken: "nonsense" });
      await expect(listing).rejects.toThrow(InvalidRequestError);
    });
  });
});
