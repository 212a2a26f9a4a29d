/**
 * Grants on the identities of pools, in table `settings`: PartitionKey the tenant (settings have a dot there), RowKey the pool.
 * They are not in table `tenants`, because workers read them and must not read who may call the API.
 */
import { odata } from "@azure/data-tables";
import { z } from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import type { IdentityGrant, IdentityGrantStore } from "../../core/ports/identity-grant-store.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, storageError } from "../translate-error.ts";
import { type Cells, type Columns, type Row, instant, json, readCells, text, writeCells } from "./columns.ts";
import { type RowKeys, readRow } from "./rows.ts";

export function createIdentityGrantStore({
  storage,
}: {
  readonly storage: Pick<StorageClients, "table">;
}): IdentityGrantStore {
  const table = storage.table(TABLES.settings);

  return {
    async get(tenantName, pool) {
      const { partitionKey, rowKey } = identityGrantKeys({ tenantName, pool });
      const row = await readRow(table, partitionKey, rowKey);
      return row && identityGrantOf(row.cells);
    },

    async of(tenantName) {
      const grants: IdentityGrant[] = [];
      const filter = odata`PartitionKey eq ${tenantName}`;
      try {
        for await (const row of table.retrying.listEntities({ queryOptions: { filter } })) {
          grants.push(identityGrantOf(row));
        }
      } catch (error) {
        throw storageError(error, "reading grants");
      }
      return grants;
    },

    async put(grant) {
      try {
        await table.retrying.upsertEntity({ ...identityGrantKeys(grant), ...identityGrantCells(grant) }, "Merge");
      } catch (error) {
        throw storageError(error, "writing a grant");
      }
    },

    async remove(tenantName, pool) {
      const { partitionKey, rowKey } = identityGrantKeys({ tenantName, pool });
      try {
        await table.retrying.deleteEntity(partitionKey, rowKey);
        return true;
      } catch (error) {
        if (isMissing(error)) return false;
        throw storageError(error, "removing a grant");
      }
    },
  };
}

const COLUMNS: Columns<Omit<IdentityGrant, "tenantName" | "pool">> = {
  audiences: json("audiences", z.array(z.string()).readonly()),
  grantedAt: instant("grantedAt"),
  grantedBy: text("grantedBy"),
};

export const identityGrantKeys = ({ tenantName, pool }: Pick<IdentityGrant, "tenantName" | "pool">): RowKeys => ({
  partitionKey: tenantName,
  rowKey: pool,
});

export const identityGrantCells = ({ tenantName: _t, pool: _p, ...grant }: IdentityGrant): Cells =>
  writeCells(COLUMNS, grant);

/** Throws UnreadableError when the row cannot be read. */
export function identityGrantOf(row: Row): IdentityGrant {
  const { partitionKey: tenantName, rowKey: pool } = row;
  if (typeof tenantName !== "string" || typeof pool !== "string") {
    throw new InvariantError("A row was read without its keys.");
  }
  return { tenantName, pool, ...readCells("identityGrant", COLUMNS, row) };
}
