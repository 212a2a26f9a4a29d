/**
 * Settings of packages in table `settings`. PartitionKey `{tenantName}.{packageName}`, so that one query has all that a job
 * needs; no tenant's name has a dot. RowKey: the setting's name.
 */
import { odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import type { Setting, SettingKey, SettingStore } from "../../core/ports/setting-store.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, isMissing, storageError } from "../translate-error.ts";
import { type Columns, type Row, instant, integer, optionalText, readCells, text, writeCells } from "./columns.ts";
import { type RowKeys, etagOf, putRow, readRow } from "./rows.ts";

export function createSettingStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): SettingStore {
  const table = storage.table(TABLES.settings);

  async function* rows(filter: string): AsyncGenerator<Row & { readonly etag?: string }> {
    try {
      yield* table.retrying.listEntities({ queryOptions: { filter } });
    } catch (error) {
      throw storageError(error, "reading settings");
    }
  }

  return {
    async of(tenantName, packageName) {
      const settings: Setting[] = [];
      const partition = partitionOf(tenantName, packageName);
      for await (const row of rows(odata`PartitionKey eq ${partition}`)) settings.push(settingOf(row));
      return settings;
    },

    async get(key) {
      const { partitionKey, rowKey } = settingKeys(key);
      const row = await readRow(table, partitionKey, rowKey);
      return row && { value: settingOf(row.cells), etag: row.etag };
    },

    async put(setting, etag) {
      return (await putRow(table, settingKeys(setting), settingCells(setting), etag)).written;
    },

    async remove(key, etag) {
      const { partitionKey, rowKey } = settingKeys(key);
      try {
        await table.retrying.deleteEntity(partitionKey, rowKey, { etag });
        return true;
      } catch (error) {
        if (isMissing(error) || isConditionFailed(error)) return false;
        throw storageError(error, "removing a setting");
      }
    },

    async *ofTenant(tenantName) {
      const filter = odata`PartitionKey gt ${`${tenantName}.`} and PartitionKey lt ${`${tenantName}/`}`;
      for await (const row of rows(filter)) yield { value: settingOf(row), etag: etagOf(row) };
    },
  };
}

const SETTING_COLUMNS: Columns<Omit<Setting, keyof SettingKey>> = {
  version: integer("version"),
  value: optionalText("value"),
  secretId: optionalText("secretId"),
  setAt: instant("setAt"),
  setBy: text("setBy"),
};

const partitionOf = (tenantName: string, packageName: string): string => `${tenantName}.${packageName}`;

export const settingKeys = ({ tenantName, packageName, name }: SettingKey): RowKeys => ({
  partitionKey: partitionOf(tenantName, packageName),
  rowKey: name,
});

export const settingCells = ({ tenantName: _t, packageName: _p, name: _n, ...setting }: Setting) =>
  writeCells(SETTING_COLUMNS, setting);

/** Throws UnreadableError when the row cannot be read. */
export function settingOf(row: Row): Setting {
  const { partitionKey, rowKey: name } = row;
  if (typeof partitionKey !== "string" || typeof name !== "string") {
    throw new InvariantError("A row was read without its keys.");
  }
  const dot = partitionKey.indexOf(".");
  const key = { tenantName: partitionKey.slice(0, dot), packageName: partitionKey.slice(dot + 1), name };
  return { ...key, ...readCells("setting", SETTING_COLUMNS, row) };
}
