/** A KeyStore in memory. */
import { keyCells, keyKeys, keyOf } from "../../../runtime/azure/tables/key-store.ts";
import { UNIQUE_KIND } from "../../../runtime/azure/tables/unique-key-store.ts";
import { isExpired, type KeyName, type KeyRecord } from "../../../runtime/core/job/keys.ts";
import type { KeyStore, KeyWish } from "../../../runtime/core/ports/key-store.ts";
import { MemoryTable } from "./memory-table.ts";

/** Rows a call to `removeExpired` takes away. */
const REMOVED_AT_ONCE = 1_000;

export function createMemoryKeys(table = new MemoryTable()): KeyStore {
  async function find(tenantName: string, name: KeyName, expiredBefore: Date): Promise<KeyRecord | undefined> {
    const row = await table.get(keyKeys(tenantName, name));
    const record = row && keyOf(row.cells);
    return record === undefined || isExpired(record, expiredBefore) ? undefined : record;
  }

  async function reserve(tenantName: string, wish: KeyWish, expiredBefore: Date): Promise<KeyRecord> {
    for (let etag: string | undefined; ;) {
      const result = await table.write(keyKeys(tenantName, wish), keyCells(wish), etag, { how: "replace" });
      if (result.written) return wish;
      const record = result.current && keyOf(result.current.cells);
      if (record !== undefined && !isExpired(record, expiredBefore)) return record;
      etag = result.current?.etag;
    }
  }

  return {
    find: (tenantName, names, expiredBefore) => Promise.all(names.map((name) => find(tenantName, name, expiredBefore))),

    reserve: (tenantName, wishes, expiredBefore) =>
      Promise.all(wishes.map((wish) => reserve(tenantName, wish, expiredBefore))),

    async removeExpired(expiredBefore, continuationToken = "") {
      const expired = (await table.all()).filter(
        (row) =>
          row.cells["kind"] !== UNIQUE_KIND &&
          `${row.partitionKey} ${row.rowKey}` > continuationToken &&
          isExpired(keyOf(row.cells), expiredBefore),
      );
      const page = expired.slice(0, REMOVED_AT_ONCE);
      const removed = await Promise.all(page.map((row) => table.remove(row, row.etag)));
      const last = expired.length > page.length ? page.at(-1) : undefined;
      return {
        removed: removed.filter(Boolean).length,
        continuationToken: last && `${last.partitionKey} ${last.rowKey}`,
      };
    },
  };
}
