/** A LineStore in memory. */
import {
  AFTER_PLACES,
  HEAD,
  foundLine,
  linePageOf,
  lineHeadCells,
  linePartition,
  ownKey,
  placeKeys,
  placeOf,
  placeRows,
} from "../../../runtime/azure/tables/line-store.ts";
import { readable } from "../../../runtime/azure/tables/rows.ts";
import type { LineStore } from "../../../runtime/core/ports/line-store.ts";
import { MemoryTable } from "./memory-table.ts";

export function createMemoryLines(table = new MemoryTable()): LineStore {
  return {
    async read(line, maxCount) {
      const rows = await table.rows({ partitionKey: linePartition(line), before: AFTER_PLACES });
      const page = rows.slice(0, maxCount + 1).map(({ cells, etag }) => ({ ...cells, etag }));
      return linePageOf(page, rows.length <= maxCount + 1);
    },
    async placeOf(line, jobId, ring) {
      const row = await table.get({ partitionKey: linePartition(line), rowKey: ownKey({ jobId, ring }) });
      return row && placeOf(row.cells);
    },
    async write(line, { head, etag, join, remove = [] }) {
      const partitionKey = linePartition(line);
      const added = placeRows(line, join);
      const gone = remove.flatMap(placeKeys).map((rowKey) => ({ partitionKey, rowKey }));
      await table.turn();
      // One transaction: all of it, or nothing.
      if (table.peek({ partitionKey, rowKey: HEAD })?.etag !== etag) return false;
      if (added.some((row) => table.peek(row)) || !gone.every((keys) => table.peek(keys))) return false;
      table.put({ partitionKey, rowKey: HEAD }, lineHeadCells(line, head));
      for (const { partitionKey: partition, rowKey, ...cells } of added)
        table.put({ partitionKey: partition, rowKey }, cells);
      for (const keys of gone) table.drop(keys);
      return true;
    },
    async remove(line, places) {
      const partitionKey = linePartition(line);
      const gone = places.flatMap(placeKeys).map((rowKey) => ({ partitionKey, rowKey }));
      await table.turn();
      if (gone.every((keys) => table.peek(keys))) for (const keys of gone) table.drop(keys);
    },
    async find(_maxCount, _continuationToken, onUnreadable) {
      const heads = (await table.all()).filter(({ rowKey }) => rowKey === HEAD);
      const lines = heads.flatMap(({ partitionKey, cells, etag }) =>
        readable({ ...cells, partitionKey, etag }, foundLine, onUnreadable),
      );
      return { lines, continuationToken: undefined };
    },
    removeHead: (line, etag) => table.remove({ partitionKey: linePartition(line), rowKey: HEAD }, etag),
  };
}
