/** A UniqueKeyStore in memory. */
import { UNIQUE_KIND, uniqueCells, uniqueHoldOf, uniqueKeys } from "../../../runtime/azure/tables/unique-key-store.ts";
import type { UniqueKeyStore } from "../../../runtime/core/ports/unique-key-store.ts";
import { MemoryTable } from "./memory-table.ts";

export const createMemoryUniqueKeys = (table = new MemoryTable()): UniqueKeyStore => ({
  async get(key) {
    const row = await table.get(uniqueKeys(key));
    return row && { value: uniqueHoldOf(row.cells), etag: row.etag };
  },
  put: async (key, hold, etag) => (await table.write(uniqueKeys(key), uniqueCells(hold), etag)).written,
  async removeOver(before, isOver) {
    let removed = 0;
    for (const row of await table.all()) {
      if (row.cells["kind"] !== UNIQUE_KIND) continue;
      const hold = uniqueHoldOf(row.cells);
      if (hold.heldAt < before && (await isOver(hold)) && (await table.remove(row, row.etag))) removed++;
    }
    return { removed, continuationToken: undefined };
  },
});
