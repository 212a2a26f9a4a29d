/** Batches over what goes wrong with storage; what the port promises is in ports/batch-store.test.ts. */
import type { TableEntity } from "@azure/data-tables";
import { describe, expect, it } from "vitest";
import { createBatchStore, provisionStorage } from "../../../runtime/azure/index.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { batchOf } from "../../support/builders.ts";
import { startStorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const newStore = () => createBatchStore({ storage: testStorage() });

describe("a batch", () => {
  it("is created even if the answer is lost", async () => {
    await using network = await startStorageProxy();
    let faults = 1;
    network.decide = ({ method }) => (method === "POST" && faults-- > 0 ? "lose" : "pass");
    const batch = batchOf({ tenantName: freshTenant() });
    const store = createBatchStore({ storage: testStorage(network.connectionString) });
    expect(await store.create(batch)).toEqual(batch);
    expect(await store.get(batch.batchId)).toMatchObject({ value: batch });
  });
});

describe("a batch written before completion was recorded", () => {
  it("reads as not completed and not at rest, and is active", async () => {
    const batch = batchOf({ tenantName: freshTenant(), completedGeneration: 1, atRest: true });
    await newStore().create(batch);
    const table = testStorage().table(TABLES.batches).retrying;
    const { completedGeneration, completedAt, atRest, ...older } = await table.getEntity(
      batch.tenantName,
      batch.batchId,
    );
    expect({ completedGeneration, completedAt, atRest }).toMatchObject({ completedGeneration: 1, atRest: true });
    await table.updateEntity(older as TableEntity, "Replace");
    const expected = { ...batch, completedGeneration: 0, completedAt: undefined, atRest: false };
    expect((await newStore().get(batch.batchId))?.value).toEqual(expected);
    expect(await activeOf(batch.tenantName)).toEqual([expected]);
  });
});

describe("a change of a batch", () => {
  async function newBatch(fields: Partial<Batch> = {}): Promise<Stored<Batch>> {
    const { batchId } = await newStore().create(batchOf({ tenantName: freshTenant(), ...fields }));
    return (await newStore().get(batchId))!;
  }

  it.each(["lose", "fail-after"] as const)("whose answer meets the fate %s is found in the row", async (fate) => {
    await using network = await startStorageProxy();
    const { value, etag } = await newBatch();
    const store = createBatchStore({ storage: testStorage(network.connectionString) });
    network.decide = ({ method }) => (method === "PATCH" ? fate : "pass");
    const result = await store.update(value.batchId, etag, { generation: 2 });
    expect(result).toMatchObject({ written: false, current: { value: { generation: 2 } } });
    expect(network.requests.filter(({ method }) => method === "PATCH")).toHaveLength(1);
  });
});

async function activeOf(tenantName: string): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const { value } of newStore().active(() => undefined))
    if (value.tenantName === tenantName) batches.push(value);
  return batches;
}

describe("provisioning", () => {
  it("may be repeated, also by several at once", async () => {
    await Promise.all([provisionStorage(testStorage()), provisionStorage(testStorage())]);
  });
});
