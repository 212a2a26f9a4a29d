/** A QuotaStore in memory. */
import { QUOTA_PARTITION, quotaCells, quotaKeys, quotaOf } from "../../../runtime/azure/tables/quota-store.ts";
import type { QuotaStore } from "../../../runtime/core/ports/quota-store.ts";
import { MemoryTable } from "./memory-table.ts";

export const createMemoryQuotas = (table = new MemoryTable()): QuotaStore => ({
  async get(tenantName) {
    const row = await table.get(quotaKeys({ tenantName }));
    return row && { value: quotaOf(row.cells), etag: row.etag };
  },
  put: async (quota, etag) => (await table.write(quotaKeys(quota), quotaCells(quota), etag)).written,
  async remove(tenantName) {
    await table.remove(quotaKeys({ tenantName }));
  },
  async *all() {
    const rows = await table.rows({ partitionKey: QUOTA_PARTITION });
    for (const { cells, etag } of rows) yield { value: quotaOf(cells), etag };
  },
});
