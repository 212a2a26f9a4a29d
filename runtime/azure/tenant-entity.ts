/**
 * The rows of table `tenants`.
 *
 * | row       | PartitionKey          | RowKey     | properties                            |
 * |-----------|-----------------------|------------|---------------------------------------|
 * | a tenant  | `tenant`              | tenantName | createdAt, createdBy                  |
 * | a grant   | `grant.{principalId}` | tenantName | access, name, grantedAt, grantedBy    |
 * | a secret  | `secret`              | its name   | value; see shared-secret.ts           |
 *
 * Grants lie by principal, because every request of a caller whose grants are not at hand asks for exactly those.
 */
import { InvariantError } from "../core/errors.ts";
import { PRINCIPAL_ID_PATTERN, TENANT_ACCESS } from "../core/grants.ts";
import type { Tenant, TenantGrant } from "../core/ports/tenant-store.ts";
import { type Cells, type Columns, instant, readCells, type Row, text, word, writeCells } from "./columns.ts";
import type { RowKeys } from "./write-once.ts";

export const TENANT_PARTITION = "tenant";
export const GRANT_PREFIX = "grant.";
/** The first key after all those with the prefix. */
export const AFTER_GRANTS = "grant/";

const TENANT_COLUMNS: Columns<Omit<Tenant, "tenantName">> = {
  createdAt: instant("createdAt"),
  createdBy: text("createdBy"),
};

const GRANT_COLUMNS: Columns<Omit<TenantGrant, "tenantName" | "principalId">> = {
  access: word("access", TENANT_ACCESS),
  name: text("name"),
  grantedAt: instant("grantedAt"),
  grantedBy: text("grantedBy"),
};

export const tenantKeys = (tenantName: string): RowKeys => ({ partitionKey: TENANT_PARTITION, rowKey: tenantName });

export const grantPartition = (principalId: string): string => `${GRANT_PREFIX}${principalId}`;

/** Throws InvariantError for a text that is no object id: it must not become a key. */
export function grantKeys({ principalId, tenantName }: Pick<TenantGrant, "principalId" | "tenantName">): RowKeys {
  if (!PRINCIPAL_ID_PATTERN.test(principalId)) throw new InvariantError("Not an object id.");
  return { partitionKey: grantPartition(principalId), rowKey: tenantName };
}

export const tenantCells = (tenant: Tenant): Cells => writeCells(TENANT_COLUMNS, tenant);
export const grantCells = (grant: TenantGrant): Cells => writeCells(GRANT_COLUMNS, grant);

/** Throws UnreadableError when the row cannot be read. */
export const tenantOf = (row: Row): Tenant => ({
  tenantName: keyOf(row, "rowKey"),
  ...readCells("tenant", TENANT_COLUMNS, row),
});

/** Throws UnreadableError when the row cannot be read. */
export const grantOf = (row: Row): TenantGrant => ({
  principalId: keyOf(row, "partitionKey").slice(GRANT_PREFIX.length),
  tenantName: keyOf(row, "rowKey"),
  ...readCells("grant", GRANT_COLUMNS, row),
});

function keyOf(row: Row, name: "partitionKey" | "rowKey"): string {
  const key = row[name];
  if (typeof key !== "string") throw new InvariantError("A row was read without its keys.");
  return key;
}
