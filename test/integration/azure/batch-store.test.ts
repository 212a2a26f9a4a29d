import { describe, expect, it } from "vitest";
import { createBatchStore, provisionStorage } from "../../../runtime/azure/index.ts";
import { InvalidRequestError } from "../../../runtime/core/errors.ts";
import { createIdSource } from "../../../runtime/core/ids.ts";
import type { Batch } from "../../../runtime/core/job.ts";
import { batchOf } from "../../support/builders.ts";
import { startStorageProxy } from "../../support/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/test-storage.ts";

const newStore = () => createBatchStore({ storage: testStorage() });

describe("a batch", () => {
  it("is read back as it was created", async () => {
    const batch = batchOf({
      tenantName: freshTenant(),
      batchName: "Year end ü '\u2028'",
      priority: "high",
      shardCount: 16,
    });
    expect(await newStore().create(batch)).toEqual(batch);
    expect(await newStore().get(batch.batchId)).toMatchObject({ value: batch });
  });

  it("stays as it is when it is created again", async () => {
    const batch = batchOf({ tenantName: freshTenant() });
    await newStore().create(batch);
    expect(await newStore().create({ ...batch, batchName: "other" })).toEqual(batch);
    expect(await newStore().get(batch.batchId)).toMatchObject({ value: batch });
  });

  it("is created even if the answer is lost", async () => {
    await using network = await startStorageProxy();
    let faults = 1;
    network.decide = ({ method }) => (method === "POST" && faults-- > 0 ? "lose" : "pass");
    const batch = batchOf({ tenantName: freshTenant() });
    const store = createBatchStore({ storage: testStorage(network.connectionString) });
    expect(await store.create(batch)).toEqual(batch);
    expect(await store.get(batch.batchId)).toMatchObject({ value: batch });
  });

  it("is absent for an unknown id and for a text that is no id", async () => {
    expect(await newStore().get(batchOf({ tenantName: freshTenant() }).batchId)).toBeUndefined();
    expect(await newStore().get("../x")).toBeUndefined();
  });
});

describe("the list of a tenant's batches", () => {
  it("gives each once, newest first, and nobody else's", async () => {
    const [tenantName, other] = [freshTenant(), freshTenant()];
    let now = Date.UTC(2026, 0, 1);
    const ids = createIdSource({ now: () => now++, random32: () => 7 });
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

  it("refuses another tenant's token and one nobody made", async () => {
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

describe("provisioning", () => {
  it("may be repeated, also by several at once", async () => {
    await Promise.all([provisionStorage(testStorage()), provisionStorage(testStorage())]);
  });
});
