/** A SettingStore, an IdentityGrantStore and a SecretStore in memory. */
import { randomUUID } from "node:crypto";
import {
  identityGrantCells,
  identityGrantKeys,
  identityGrantOf,
} from "../../../runtime/azure/tables/identity-grant-store.ts";
import { settingCells, settingKeys, settingOf } from "../../../runtime/azure/tables/setting-store.ts";
import type { IdentityGrantStore } from "../../../runtime/core/ports/identity-grant-store.ts";
import type { SecretStore } from "../../../runtime/core/ports/secret-store.ts";
import type { SettingStore } from "../../../runtime/core/ports/setting-store.ts";
import { MemoryTable, nextTurn } from "./memory-table.ts";

export function createMemorySettings(table = new MemoryTable()): SettingStore {
  return {
    async of(tenantName, packageName) {
      const { partitionKey } = settingKeys({ tenantName, packageName, name: "" });
      return (await table.rows({ partitionKey })).map(({ cells }) => settingOf(cells));
    },
    async get(key) {
      const row = await table.get(settingKeys(key));
      return row && { value: settingOf(row.cells), etag: row.etag };
    },
    async put(setting, etag) {
      return (await table.write(settingKeys(setting), settingCells(setting), etag)).written;
    },
    remove: (key, etag) => table.remove(settingKeys(key), etag),
    async *ofTenant(tenantName) {
      for (const { partitionKey, cells, etag } of await table.all()) {
        if (partitionKey.startsWith(`${tenantName}.`)) yield { value: settingOf(cells), etag };
      }
    },
  };
}

export function createMemoryIdentityGrants(table = new MemoryTable()): IdentityGrantStore {
  return {
    async get(tenantName, pool) {
      const row = await table.get(identityGrantKeys({ tenantName, pool }));
      return row && identityGrantOf(row.cells);
    },
    of: async (tenantName) =>
      (await table.rows({ partitionKey: tenantName })).map(({ cells }) => identityGrantOf(cells)),
    async put(grant) {
      await nextTurn();
      table.put(identityGrantKeys(grant), identityGrantCells(grant));
    },
    remove: (tenantName, pool) => table.remove(identityGrantKeys({ tenantName, pool })),
  };
}

export interface MemorySecrets extends SecretStore {
  /** By id, as they are now. */
  readonly values: ReadonlyMap<string, string>;
}

export function createMemorySecrets(): MemorySecrets {
  const values = new Map<string, string>();
  return {
    values,
    async add(value) {
      await nextTurn();
      const id = randomUUID();
      values.set(id, value);
      return id;
    },
    async get(id) {
      await nextTurn();
      return values.get(id);
    },
    async remove(id) {
      await nextTurn();
      values.delete(id);
    },
  };
}
