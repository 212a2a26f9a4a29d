/**
 * Reads, writes and pages rows of every table. A missing row is a value, not an error. A scan can skip rows that this
 * release cannot read. Continuation tokens are our own, so that they can be checked completely.
 */
import type { TableClient } from "@azure/data-tables";
import { InvalidRequestError, InvariantError } from "../../core/errors.ts";
import { CONTINUATION_TOKEN_MAX_LENGTH } from "../../core/limits.ts";
import type { OnUnreadable } from "../../core/ports/stored.ts";
import type { TableAccess } from "../connect.ts";
import { isConditionFailed, isMissing, isRefused, storageError } from "../translate-error.ts";
import type { Cells, Row } from "./columns.ts";

export interface StoredRow {
  readonly cells: Row;
  readonly etag: string;
}

/** Undefined if there is no such row. Throws UnavailableError if the table cannot be read. */
export async function readRow(table: TableAccess, partition: string, rowKey: string): Promise<StoredRow | undefined> {
  try {
    const row = await table.retrying.getEntity(partition, rowKey);
    return { cells: row, etag: etagOf(row) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw storageError(error, "reading a row");
  }
}

/** Every row that was read from a table has an ETag. */
export function etagOf(row: { readonly etag?: string }): string {
  if (row.etag === undefined) throw new InvariantError("A row was read without its ETag.");
  return row.etag;
}

/** The value in a row of a scan. An unreadable row is skipped if there is an `onUnreadable` to report it to. */
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

export interface RowKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

export type RowResult =
  | { readonly written: true; readonly etag: string }
  /** Refused, or the outcome is unknown. `current`: the row as read afterwards. */
  | { readonly written: false; readonly current: StoredRow | undefined };

/**
 * Writes a row if it still has this ETag; `etag` undefined: if there is no row. It merges, so that columns of a later
 * release stay. To remove a column, write it as absent (columns.ts).
 *
 * "Replace" is only for a row that begins a new life, such as that of a worker that starts. It removes all old
 * properties.
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

/**
 * Sends a conditional write once. If it is refused or unanswered, the row is read, and the caller decides by the
 * current row. Throws UnavailableError if the row cannot be read either, and InvariantError if the row can never be
 * written.
 */
export async function writeOnce(
  table: TableAccess,
  { partitionKey, rowKey }: RowKeys,
  write: (client: TableClient) => Promise<{ readonly etag?: string }>,
): Promise<RowResult> {
  try {
    const { etag } = await write(table.once);
    if (etag !== undefined) return { written: true, etag };
  } catch (error) {
    // If neither key nor ETag was the reason, a repeat would be refused too.
    if (isRefused(error) && !isConditionFailed(error)) throw storageError(error, "writing a row");
  }
  return { written: false, current: await readRow(table, partitionKey, rowKey) };
}

export interface PagePosition {
  readonly shard: number;
  /** The row key before the next page. Empty: the page starts at the begin of the shard. */
  readonly after: string;
}

export const encodePosition = ({ shard, after }: PagePosition): string =>
  Buffer.from(`1:${shard}:${after}`).toString("base64url");

/** Throws InvalidRequestError for a text not from `encodePosition`, or if `isOurs` does not accept its row. */
export function decodePosition(
  token: string,
  shardCount: number,
  isOurs: (after: string, shard: number) => boolean,
): PagePosition {
  const text = token.length <= CONTINUATION_TOKEN_MAX_LENGTH ? Buffer.from(token, "base64url").toString() : "";
  const [, shardText, after] = /^1:(\d{1,4}):(.*)$/.exec(text) ?? [];
  const shard = Number(shardText);
  if (after !== undefined && shard < shardCount && (after === "" || isOurs(after, shard))) {
    const position = { shard, after };
    if (encodePosition(position) === token) return position;
  }
  throw new InvalidRequestError("InvalidRequest", "The continuation token does not belong to this list.", {
    details: [{ target: "continuationToken", message: "must be the token of a page of the same list" }],
  });
}
