/** A KeyStore and a BatchStore in memory with the semantics of the real ones. */
import type { Batch } from "../../runtime/core/job.ts";
import { isExpired, type KeyName, type KeyRecord } from "../../runtime/core/keys.ts";
import type { BatchStore } from "../../runtime/core/ports/batch-store.ts";
import type { KeyStore } from "../../runtime/core/ports/key-store.ts";
import type { Stored } from "../../runtime/core/ports/stored.ts";

export interface MemoryKeys extends Pick<KeyStore, "find" | "reserve"> {
  readonly rows: ReadonlyMap<string, KeyRecord>;
}

export function createMemoryKeys(): MemoryKeys {
  const rows = new Map<string, KeyRecord>();
  const live = (tenantName: string, { kind, key }: KeyName, expiredBefore: Date): KeyRecord | undefined => {
    const row = rows.get(`${tenantName} ${kind} ${key}`);
    return row === undefined || isExpired(row, expiredBefore) ? undefined : row;
  };
  return {
    rows,
    find: (tenantName, names, expiredBefore) =>
      Promise.resolve(names.map((name) => live(tenantName, name, expiredBefore))),
    reserve: (tenantName, wishes, expiredBefore) =>
      Promise.resolve(
        wishes.map(({ kind, key, ...fields }) => {
          const taken = live(tenantName, { kind, key }, expiredBefore);
          const record = taken ?? { kind, ...fields };
          rows.set(`${tenantName} ${kind} ${key}`, record);
          return record;
        }),
      ),
  };
}

export function createMemoryBatches(): Pick<BatchStore, "create" | "get" | "update"> {
  const rows = new Map<string, Stored<Batch>>();
  let version = 0;
  const put = (value: Batch): Stored<Batch> => {
    const stored = { value, etag: `v${++version}` };
    rows.set(value.batchId, stored);
    return stored;
  };
  return {
    get: (batchId) => Promise.resolve(rows.get(batchId)),
    create: (batch) => Promise.resolve((rows.get(batch.batchId) ?? put(batch)).value),
    update: (batchId, etag, changes) => {
      const current = rows.get(batchId);
      if (current?.etag !== etag) return Promise.resolve({ written: false, current });
      return Promise.resolve({ written: true, etag: put({ ...current.value, ...changes }).etag });
    },
  };
}
