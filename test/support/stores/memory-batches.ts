/** A BatchStore in memory. */
import { batchCells, batchKeys, batchOf, changedBatchCells } from "../../../runtime/azure/tables/batch-store.ts";
import { type StoredRow, decodePosition, readable } from "../../../runtime/azure/tables/rows.ts";
import { InvariantError } from "../../../runtime/core/errors.ts";
import { parseBatchId } from "../../../runtime/core/job/ids.ts";
import type { Batch } from "../../../runtime/core/job/job.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { MemoryTable, pageOf } from "./memory-table.ts";

export function createMemoryBatches(table = new MemoryTable()): BatchStore {
  return {
    async create(batch) {
      const result = await table.write(batchKeys(batch.batchId), batchCells(batch), undefined);
      if (result.written) return batch;
      if (result.current === undefined) throw new InvariantError("An insert was refused, and there is no row.");
      return batchOf(result.current.cells);
    },

    async get(batchId) {
      const row = parseBatchId(batchId) && (await table.get(batchKeys(batchId)));
      return row && storedBatch(row);
    },

    async update(batchId, etag, changes) {
      const result = await table.write(batchKeys(batchId), changedBatchCells(changes), etag);
      return result.written ? result : { written: false, current: result.current && storedBatch(result.current) };
    },

    async *active(onUnreadable) {
      for (const { cells, etag } of await table.all()) {
        if (cells["atRest"] !== true) yield* readable({ ...cells, etag }, storedBatch, onUnreadable);
      }
    },

    async list(tenantName, { pageSize, continuationToken }) {
      const isOurs = (after: string): boolean => parseBatchId(after)?.tenantName === tenantName;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      return pageOf(await table.rows({ partitionKey: tenantName, after }), pageSize, batchOf);
    },
  };
}

const storedBatch = ({ cells, etag }: StoredRow): Stored<Batch> => ({ value: batchOf(cells), etag });
