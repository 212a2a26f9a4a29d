/**
 * One conditional write of one row, sent once. Whatever is not an answer of success ends in a look at the row: refused
 * or unanswered, the caller decides by what is there now.
 */
import type { TableClient } from "@azure/data-tables";
import type { Cells } from "./columns.ts";
import type { TableAccess } from "./connect.ts";
import { readRow, type StoredRow } from "./read-row.ts";
import { isConditionFailed, isRefused, storageError } from "./translate-error.ts";

export interface RowKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

export type RowResult =
  | { readonly written: true; readonly etag: string }
  /** Refused, or its fate is unknown: the row as read afterwards. */
  | { readonly written: false; readonly current: StoredRow | undefined };

/**
 * The way a row is written: on the version it was made from; `etag` undefined: there must be no row. It merges, so that
 * columns which a later release has added stay. A column that this release wants gone is written as absent (columns.ts).
 *
 * Only a row that begins a new life is replaced with all that is on it: a key that is taken anew, a worker that starts.
 */
export const putRow = (
  table: TableAccess,
  keys: RowKeys,
  cells: Cells,
  etag: string | undefined,
  how: "Merge" | "Replace" = "Merge",
): Promise<RowResult> =>
  writeOnce(table, keys, (client) =>
    etag === undefined
      ? client.createEntity({ ...keys, ...cells })
      : client.updateEntity({ ...keys, ...cells }, how, { etag }),
  );

/** Throws UnavailableError when the row cannot even be read, InvariantError when it can never be written. */
export async function writeOnce(
  table: TableAccess,
  { partitionKey, rowKey }: RowKeys,
  write: (client: TableClient) => Promise<{ readonly etag?: string }>,
): Promise<RowResult> {
  try {
    const { etag } = await write(table.once);
    if (etag !== undefined) return { written: true, etag };
  } catch (error) {
    // Neither key nor ETag was the reason: no second look would change that.
    if (isRefused(error) && !isConditionFailed(error)) throw storageError(error, "writing a row");
  }
  return { written: false, current: await readRow(table, partitionKey, rowKey) };
}
