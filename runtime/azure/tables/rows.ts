/**
 * How rows of every table are read, written and paged. "No such row" is a value. A scan can pass over rows that this release
 * cannot read.
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

// --- Writing ---------------------------------------------------------------------------------------------------------

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

/**
 * Sends one conditional write, once. After anything but success the row is read: refused or unanswered, the caller decides
 * by what is there now. Throws UnavailableError when the row cannot even be read, InvariantError when it can never be written.
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
    // Neither key nor ETag was the reason: no second look would change that.
    if (isRefused(error) && !isConditionFailed(error)) throw storageError(error, "writing a row");
  }
  return { written: false, current: await readRow(table, partitionKey, rowKey) };
}

// --- Pages: tokens of our own, which can be checked completely -------------------------------------------------------

export interface PagePosition {
  readonly shard: number;
  /** Row key after which the next page starts; empty: at the shard's begin. */
  readonly after: string;
}

export const encodePosition = ({ shard, after }: PagePosition): string =>
  Buffer.from(`1:${shard}:${after}`).toString("base64url");

/** Throws InvalidRequestError for a text `encodePosition` did not make, or whose row `isOurs` does not accept. */
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
    details: [{ target: "continuationToken", message: "must be the one a page of this very list ended with" }],
  });
}
