/** Removes expired idempotency keys: one page of the table at a time, each row on the version that was seen expired. */
import { odata } from "@azure/data-tables";
import type { RemovedKeys } from "../core/ports/key-store.ts";
import type { TableAccess } from "./connect.ts";
import { etagOf } from "./read-row.ts";
import { isConditionFailed, storageError } from "./translate-error.ts";

/** As many as the service gives at a time. */
const PAGE_SIZE = 1_000;
/** Requests under way at a time. One by one, because the SDK's transactions delete whatever version is there. */
const AT_ONCE = 25;

interface SeenRow {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly etag: string;
}

export async function removeExpiredKeys(
  table: TableAccess,
  expiredBefore: Date,
  continuationToken: string | undefined,
): Promise<RemovedKeys> {
  const filter = odata`kind eq ${"idempotency-key"} and createdAt lt ${expiredBefore}`;
  const queryOptions = { filter, select: ["PartitionKey", "RowKey"] };
  try {
    const pages = table.retrying
      .listEntities({ queryOptions })
      .byPage({ maxPageSize: PAGE_SIZE, ...(continuationToken !== undefined && { continuationToken }) });
    for await (const page of pages) {
      const rows = page.map((row) => ({
        partitionKey: row.partitionKey ?? "",
        rowKey: row.rowKey ?? "",
        etag: etagOf(row),
      }));
      return { removed: await removeAll(table, rows), continuationToken: page.continuationToken };
    }
    return { removed: 0, continuationToken: undefined };
  } catch (error) {
    throw storageError(error, "removing expired keys");
  }
}

async function removeAll(table: TableAccess, rows: readonly SeenRow[]): Promise<number> {
  let removed = 0;
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    const results = await Promise.all(rows.slice(i, i + AT_ONCE).map((row) => remove(table, row)));
    removed += results.filter(Boolean).length;
  }
  return removed;
}

/** False: it has been given to a new request since, or is gone. */
async function remove(table: TableAccess, { partitionKey, rowKey, etag }: SeenRow): Promise<boolean> {
  try {
    await table.retrying.deleteEntity(partitionKey, rowKey, { etag });
    return true;
  } catch (error) {
    if (isConditionFailed(error)) return false;
    throw error;
  }
}
