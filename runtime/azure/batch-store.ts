/** Batches in table `batches`: one partition per tenant, newest first by their ids. */
import { odata } from "@azure/data-tables";
import { InvariantError } from "../core/errors.ts";
import { parseBatchId } from "../core/ids.ts";
import type { Batch } from "../core/job.ts";
import type { BatchStore } from "../core/ports.ts";
import { TABLES } from "../core/topology.ts";
import { batchCells, batchOf } from "./batch-entity.ts";
import type { StorageClients } from "./connect.ts";
import { decodePosition, encodePosition } from "./page-token.ts";
import { readRow } from "./read-row.ts";
import { isExisting, storageError } from "./translate-error.ts";

export function createBatchStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): BatchStore {
  const table = storage.table(TABLES.batches);

  async function get(batchId: string): Promise<Batch | undefined> {
    const parts = parseBatchId(batchId);
    if (parts === undefined) return undefined;
    const row = await readRow(table, parts.tenantName, batchId);
    return row && batchOf(row.cells);
  }

  return {
    async create(batch) {
      try {
        // The SDK may repeat it: a repeated insert finds its own row, which is as good.
        await table.retrying.createEntity({
          partitionKey: batch.tenantName,
          rowKey: batch.batchId,
          ...batchCells(batch),
        });
        return batch;
      } catch (error) {
        if (!isExisting(error)) throw storageError(error, "creating a batch");
      }
      const stored = await get(batch.batchId);
      if (stored === undefined) throw new InvariantError("A batch exists and cannot be read.");
      return stored;
    },

    get,

    async list(tenantName, { pageSize, continuationToken }) {
      const isOurs = (after: string): boolean => parseBatchId(after)?.tenantName === tenantName;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      const filter = odata`PartitionKey eq ${tenantName} and RowKey gt ${after}`;
      const items: Batch[] = [];
      try {
        const rows = table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: pageSize });
        for await (const page of rows) {
          for (const row of page) {
            items.push(batchOf(row));
            if (items.length < pageSize) continue;
            return { items, continuationToken: encodePosition({ shard: 0, after: row.rowKey ?? "" }) };
          }
        }
      } catch (error) {
        throw storageError(error, "listing batches");
      }
      return { items, continuationToken: undefined };
    },
  };
}
