/**
 * The row of a key in table `keys`: PartitionKey is the tenant, RowKey the SHA-256 of kind and key, because a key may
 * hold characters no RowKey takes. The properties have the names of the fields: kind, id, requestHash, createdAt.
 */
import { createHash } from "node:crypto";
import { KEY_KINDS, type KeyName, type KeyRecord } from "../core/keys.ts";
import { type Cells, type Columns, instant, readCells, type Row, text, word, writeCells } from "./columns.ts";

const KEY_COLUMNS: Columns<KeyRecord> = {
  kind: word("kind", KEY_KINDS),
  id: text("id"),
  requestHash: text("requestHash"),
  createdAt: instant("createdAt"),
};

export interface KeyKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/** No kind holds a colon, so no two of kind and key make the same text. */
export const keyKeys = (tenantName: string, { kind, key }: KeyName): KeyKeys => ({
  partitionKey: tenantName,
  rowKey: createHash("sha256").update(`${kind}:${key}`).digest("hex"),
});

export const keyCells = (record: KeyRecord): Cells => writeCells(KEY_COLUMNS, record);

/** Throws UnreadableError when the row cannot be read. */
export const keyOf = (row: Row): KeyRecord => readCells("key", KEY_COLUMNS, row);
