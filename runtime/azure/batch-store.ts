/** Batches in table `batches`: one partition per tenant, newest first by their ids. */
import { odata } from "@azure/data-tables";
import { InvariantError } from "../core/errors.ts";
import { parseBatchId } from "../core/ids.ts";
import type { Batch } from "../core/job.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import { TABLES } from "../core/topology.ts";
import { batchCells, batchKeys, batchOf, changedBatchCells } from "./batch-entity.ts";
import type { StorageClients } from "./connect.ts";
import { decodePosition, encodePosition } from "./page-token.ts";
import { readable, readRow, type StoredRow } from "./read-row.ts";
import { isExisting, storageError } from "./translate-error.ts";
import { putRow } from "./write-once.ts";

/** A missing property equals nothing, so rows older than it count too: https://github.com/Azure/azure-storage-net/issues/696 */
const ACTIVE = odata`not (atRest eq ${true})`;

export function createBatchStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): BatchStore {
  const table = storage.table(TABLES.batches);

  async function get(batchId: string): Promise<Stored<Batch> | undefined> {
    const parts = parseBatchId(batchId);
    if (parts === undefined) return undefined;
    const row = await readRow(table, parts.tenantName, batchId);
    return row && storedBatch(row);
  }

  return {
    async create(batch) {
      try {
        // The SDK may repeat it: a repeated insert finds its own row, which is as good.
        await table.retrying.createEntity({ ...batchKeys(batch.batchId), ...batchCells(batch) });
        return batch;
      } catch (error) {
        if (!isExisting(error)) throw storageError(error, "creating a batch");
      }
      const stored = await get(batch.batchId);
      if (stored === undefined) throw new InvariantError("A batch exists and cannot be read.");
      return stored.value;
    },

    get,

    async update(batchId, etag, changes) {
      const keys = batchKeys(batchId);
      const result = await putRow(table, keys, changedBatchCells(changes), etag);
      return result.written ? result : { written: false, current: result.current && storedBatch(result.current) };
    },

    async *active(onUnreadable) {
      try {
        for await (const row of table.retrying.listEntities({ queryOptions: { filter: ACTIVE } })) {
          yield* readable(row, storedBatch, onUnreadable);
        }
      } catch (error) {
        throw storageError(error, "listing active batches");
      }
    },

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

const storedBatch = ({ cells, etag }: StoredRow): Stored<Batch> => ({ value: batchOf(cells), etag });
