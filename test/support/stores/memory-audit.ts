/** An AuditStore in memory. */
import {
  auditCells,
  auditKeys,
  auditPage,
  auditPartition,
  invertedTime,
  rangeOf,
} from "../../../runtime/azure/tables/audit-store.ts";
import type { Row } from "../../../runtime/azure/tables/columns.ts";
import { passes } from "../../../runtime/core/audit.ts";
import type { AuditStore } from "../../../runtime/core/ports/audit-store.ts";
import { type KeyedRow, MemoryTable } from "./memory-table.ts";

export function createMemoryAudit(table = new MemoryTable()): AuditStore {
  return {
    async add(entry) {
      await table.write(auditKeys(entry), auditCells(entry), undefined);
    },
    async list(tenantName, filter, request) {
      const range = { partitionKey: auditPartition(tenantName), ...rangeOf(filter.since, request) };
      return auditPage(cellsOf(await table.rows(range)), (entry) => passes(entry, filter), request.pageSize);
    },
    async removeExpired(before, position = "") {
      const later = (await table.all()).filter(({ partitionKey }) => partitionKey > position);
      const partitionKey = later[0]?.partitionKey;
      if (partitionKey === undefined) return { removedCount: 0, position: undefined };
      const expired = await table.rows({ partitionKey, after: `${invertedTime(before)}/` });
      for (const row of expired) await table.remove(row);
      return { removedCount: expired.length, position: partitionKey };
    },
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- rows come one by one, as those of the service do
async function* cellsOf(rows: readonly KeyedRow[]): AsyncGenerator<Row> {
  for (const { cells } of rows) yield cells;
}
