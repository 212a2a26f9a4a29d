/** A point read, with "no such row" as a value. */
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
