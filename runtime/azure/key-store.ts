/**
 * Callers' keys in table `keys`. Keys are inserted, up to a transaction at a time, and never changed; only an expired
 * one is replaced. So after a refused or unanswered write a look at the rows says all: a key that is there stands for
 * what its row names, one that is not is tried again, with the same id.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { TransactionAction } from "@azure/data-tables";
import { UnavailableError } from "../core/errors.ts";
import { isExpired, type KeyRecord } from "../core/keys.ts";
import type { KeyStore, KeyWish } from "../core/ports/key-store.ts";
import { TABLES } from "../core/topology.ts";
import type { StorageClients, TableAccess } from "./connect.ts";
import { keyCells, keyKeys, keyOf } from "./key-entity.ts";
import { removeExpiredKeys } from "./remove-expired-keys.ts";
import { readRow, type StoredRow } from "./read-row.ts";
import { isConditionFailed, isRefused, storageError } from "./translate-error.ts";

/** Below the 100 operations a transaction takes. */
const GROUP_MAX_ROWS = 99;
/** A refused try finds a key that was not there before, an unanswered one is read back: so many are an outage. */
const TRIES = 10;
/** After the nth failed try n times this long. */
const PAUSE_MS = 20;

/** A wish whose key is not known to be taken, and the expired row it is to replace. */
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
      if (tries === TRIES) throw new UnavailableError("StorageUnavailable", "Storage did not take keys.");
      await pause(tries * PAUSE_MS);
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

/** Whether all were written; else none was, or nobody knows. Throws what no second look would change. */
async function insert(table: TableAccess, tenantName: string, open: readonly Open[]): Promise<boolean> {
  const actions = open.map(({ wish, expired }): TransactionAction => {
    const entity = { ...keyKeys(tenantName, wish), ...keyCells(wish) };
    // Another request's from now on: nothing of the old one may stay.
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
