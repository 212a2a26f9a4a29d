/**
 * Callers' keys in table `keys`. PartitionKey is the tenant. RowKey is the SHA-256 of kind and key, because a key can
 * contain characters that a RowKey cannot. Properties have the names of the fields: kind, id, requestHash, createdAt.
 *
 * Keys are inserted in transactions and never changed. Only an expired key is replaced. So after a refused or
 * unanswered write the rows are read. A key that exists has the id in its row. A missing key is tried again with the
 * same id. Expired keys are removed page by page.
 */
import { createHash } from "node:crypto";
import { type TransactionAction, odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { UnavailableError } from "../../core/errors.ts";
import { KEY_KINDS, type KeyName, type KeyRecord, isExpired } from "../../core/job/keys.ts";
import type { KeyStore, KeyWish, RemovedKeys } from "../../core/ports/key-store.ts";
import type { StorageClients, TableAccess } from "../connect.ts";
import { isConditionFailed, isRefused, storageError } from "../translate-error.ts";
import { type Cells, type Columns, type Row, instant, readCells, text, word, writeCells } from "./columns.ts";
import { type RowKeys, type StoredRow, etagOf, readRow } from "./rows.ts";
import { sleep } from "../../core/sleep.ts";

/** Below the 100 operations a transaction takes. */
const GROUP_MAX_ROWS = 99;
/** Each refused or unanswered try is followed by a read. So many in a row are an outage. */
const TRIES = 10;
/** The pause after the nth failed try is n times this. */
const PAUSE_MS = 20;

/** A key still to be written, and the expired row that it replaces. */
interface Open {
  readonly wish: KeyWish;
  readonly expired: StoredRow | undefined;
}

export function createKeyStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): KeyStore {
  const table = storage.table(TABLES.keys);

  const read = (tenantName: string, wish: Parameters<typeof keyKeys>[1]): Promise<StoredRow | undefined> => {
    const { partitionKey, rowKey } = keyKeys(tenantName, wish);
    return readRow(table, partitionKey, rowKey);
  };

  async function reserveGroup(
    tenantName: string,
    wishes: readonly KeyWish[],
    expiredBefore: Date,
  ): Promise<readonly KeyRecord[]> {
    const taken = new Map<KeyWish, KeyRecord>();
    let open: readonly Open[] = wishes.map((wish) => ({ wish, expired: undefined }));
    for (let tries = 0; open.length > 0; tries++) {
      if (tries === TRIES)
        throw new UnavailableError("StorageUnavailable", "The keys could not be written. Retry later.");
      await sleep(tries * PAUSE_MS);
      if (await insert(table, tenantName, open)) break;
      const rows = await Promise.all(open.map(({ wish }) => read(tenantName, wish)));
      open = open.flatMap(({ wish }, index) => {
        const row = rows[index];
        const record = row && keyOf(row.cells);
        if (record === undefined) return [{ wish, expired: undefined }];
        if (isExpired(record, expiredBefore)) return [{ wish, expired: row }];
        taken.set(wish, record);
        return [];
      });
    }
    return wishes.map((wish) => taken.get(wish) ?? wish);
  }

  return {
    async find(tenantName, names, expiredBefore) {
      const rows = await Promise.all(names.map((name) => read(tenantName, name)));
      return rows.map((row) => {
        const record = row && keyOf(row.cells);
        return record === undefined || isExpired(record, expiredBefore) ? undefined : record;
      });
    },

    async reserve(tenantName, wishes, expiredBefore) {
      const groups: Promise<readonly KeyRecord[]>[] = [];
      for (let i = 0; i < wishes.length; i += GROUP_MAX_ROWS) {
        groups.push(reserveGroup(tenantName, wishes.slice(i, i + GROUP_MAX_ROWS), expiredBefore));
      }
      return (await Promise.all(groups)).flat();
    },

    removeExpired: (expiredBefore, continuationToken) => removeExpiredKeys(table, expiredBefore, continuationToken),
  };
}

/**
 * True: all were written. False: none was written, or the outcome is unknown. Throws errors that a repeat would meet
 * again.
 */
async function insert(table: TableAccess, tenantName: string, open: readonly Open[]): Promise<boolean> {
  const actions = open.map(({ wish, expired }): TransactionAction => {
    const entity = { ...keyKeys(tenantName, wish), ...keyCells(wish) };
    // The key now belongs to another request, so no property of the old row may stay.
    return expired === undefined ? ["create", entity] : ["update", entity, "Replace", { etag: expired.etag }];
  });
  try {
    const { subResponses } = await table.once.submitTransaction(actions);
    return subResponses.length === actions.length && subResponses.every(({ status }) => status < 300);
  } catch (error) {
    if (isRefused(error) && !isConditionFailed(error)) throw storageError(error, "writing keys");
    return false;
  }
}

const KEY_COLUMNS: Columns<KeyRecord> = {
  kind: word("kind", KEY_KINDS),
  id: text("id"),
  requestHash: text("requestHash"),
  createdAt: instant("createdAt"),
};

/** No kind contains a colon, so different pairs of kind and key have different texts. */
export const keyKeys = (tenantName: string, { kind, key }: KeyName): RowKeys => ({
  partitionKey: tenantName,
  rowKey: createHash("sha256").update(`${kind}:${key}`).digest("hex"),
});

export const keyCells = (record: KeyRecord): Cells => writeCells(KEY_COLUMNS, record);

/** Throws UnreadableError when the row cannot be read. */
export const keyOf = (row: Row): KeyRecord => readCells("key", KEY_COLUMNS, row);

/** The service's limit for one request. */
const PAGE_SIZE = 1_000;
/** Concurrent requests. No transaction, because the SDK's transactions delete a row whatever its version. */
const AT_ONCE = 25;

interface SeenRow {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly etag: string;
}

/** Removes one page. Each row is removed only if it still has the version that was seen expired. */
async function removeExpiredKeys(
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

/** False if a new request has taken the key since, or if the row is already removed. */
async function remove(table: TableAccess, { partitionKey, rowKey, etag }: SeenRow): Promise<boolean> {
  try {
    await table.retrying.deleteEntity(partitionKey, rowKey, { etag });
    return true;
  } catch (error) {
    if (isConditionFailed(error)) return false;
    throw error;
  }
}
