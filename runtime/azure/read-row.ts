/** How rows are read: one by its keys, with "no such row" as a value; and those of a scan, which pass over what is unreadable. */
import type { OnUnreadable } from "../core/ports/stored.ts";
import type { Row } from "./columns.ts";
import type { TableAccess } from "./connect.ts";
import { InvariantError } from "../core/errors.ts";
import { isMissing, storageError } from "./translate-error.ts";

export interface StoredRow {
  readonly cells: Row;
  readonly etag: string;
}

/** Throws UnavailableError when the table cannot be read. */
export async function readRow(table: TableAccess, partition: string, rowKey: string): Promise<StoredRow | undefined> {
  try {
    const row = await table.retrying.getEntity(partition, rowKey);
    return { cells: row, etag: etagOf(row) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw storageError(error, "reading a row");
  }
}

/** Every row read from a table carries one. */
export function etagOf(row: { readonly etag?: string }): string {
  if (row.etag === undefined) throw new InvariantError("A row was read without its ETag.");
  return row.etag;
}

/** What a row of a scan holds; nothing, when that cannot be read and there is somebody to tell. */
export function readable<T>(
  row: Row & { readonly etag?: string },
  read: (row: StoredRow) => T,
  onUnreadable: OnUnreadable | undefined,
): readonly T[] {
  try {
    return [read({ cells: row, etag: etagOf(row) })];
  } catch (error) {
    if (onUnreadable === undefined) throw error;
    onUnreadable(`${String(row["partitionKey"])}.${String(row["rowKey"])}`, error);
    return [];
  }
}
