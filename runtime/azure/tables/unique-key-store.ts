/**
 * Holders of unique keys in table `keys`, beside the keys of callers. PartitionKey is the tenant. RowKey is the SHA-256 of
 * `unique:` and package, job type and key, because a key can contain characters that a RowKey cannot.
 */
import { createHash } from "node:crypto";
import { odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { UniqueHold, UniqueKey, UniqueKeyStore } from "../../core/ports/unique-key-store.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, isMissing, storageError } from "../translate-error.ts";
import { type Cells, type Columns, type Row, flag, instant, readCells, text, writeCells } from "./columns.ts";
import { type RowKeys, etagOf, putRow, readRow } from "./rows.ts";

/** The service's limit for one request. */
const PAGE_SIZE = 1_000;

export function createUniqueKeyStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): UniqueKeyStore {
  const table = storage.table(TABLES.keys);
  return {
    async get(key) {
      const { partitionKey, rowKey } = uniqueKeys(key);
      const row = await readRow(table, partitionKey, rowKey);
      return row && { value: uniqueHoldOf(row.cells), etag: row.etag };
    },

    async put(key, hold, etag) {
      return (await putRow(table, uniqueKeys(key), uniqueCells(hold), etag)).written;
    },

    async removeOver(before, isOver, continuationToken) {
      const filter = odata`kind eq ${UNIQUE_KIND} and heldAt lt ${before}`;
      let removed = 0;
      try {
        const pages = table.retrying
          .listEntities({ queryOptions: { filter } })
          .byPage({ maxPageSize: PAGE_SIZE, ...(continuationToken !== undefined && { continuationToken }) });
        for await (const page of pages) {
          for (const row of page) {
            if (!(await isOver(uniqueHoldOf(row)))) continue;
            const { partitionKey = "", rowKey = "" } = row;
            // Only the version that was seen: another job may have taken the key since.
            await table.retrying.deleteEntity(partitionKey, rowKey, { etag: etagOf(row) }).then(
              () => removed++,
              (error: unknown) => {
                if (!isConditionFailed(error) && !isMissing(error)) throw error;
              },
            );
          }
          return { removed, continuationToken: page.continuationToken };
        }
      } catch (error) {
        throw storageError(error, "removing unique keys");
      }
      return { removed, continuationToken: undefined };
    },
  };
}

export const UNIQUE_KIND = "unique";

/** Neither a package nor a type has a line feed, so different keys have different texts. */
export const uniqueKeys = ({ tenantName, jobProcessorPackageName, jobType, uniqueKey }: UniqueKey): RowKeys => ({
  partitionKey: tenantName,
  rowKey: createHash("sha256")
    .update(`${UNIQUE_KIND}:${[jobProcessorPackageName, jobType, uniqueKey].join("\n")}`)
    .digest("hex"),
});

const HOLD_COLUMNS: Columns<UniqueHold> = { jobId: text("id"), placed: flag("placed"), heldAt: instant("heldAt") };

export const uniqueCells = (hold: UniqueHold): Cells => ({ kind: UNIQUE_KIND, ...writeCells(HOLD_COLUMNS, hold) });

/** Throws UnreadableError when the row cannot be read. */
export const uniqueHoldOf = (row: Row): UniqueHold => readCells("uniqueKey", HOLD_COLUMNS, row);
