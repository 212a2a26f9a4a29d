/**
 * Tenants and grants in table `tenants`.
 *
 * | row       | PartitionKey          | RowKey     | properties                            |
 * |-----------|-----------------------|------------|---------------------------------------|
 * | a tenant  | `tenant`              | tenantName | createdAt, createdBy, weight           |
 * | a grant   | `grant.{principalId}` | tenantName | access, name, grantedAt, grantedBy    |
 * | a secret  | `secret`              | its name   | value; see shared-secret.ts           |
 * | retention | `retention`           | tenantName | see retention-store.ts                |
 *
 * The grants of a principal are one partition, because every request reads the grants of its caller.
 */
import { odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError, UnavailableError } from "../../core/errors.ts";
import { PRINCIPAL_ID_PATTERN, TENANT_ACCESS } from "../../core/http/access.ts";
import { TENANT_NAME_PATTERN } from "../../core/job/ids.ts";
import type { Page, PageRequest } from "../../core/ports/stored.ts";
import type { Tenant, TenantGrant, TenantStore } from "../../core/ports/tenant-store.ts";
import type { StorageClients } from "../connect.ts";
import { isExisting, isMissing, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  instant,
  integer,
  optional,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, decodePosition, encodePosition, readRow } from "./rows.ts";

/** Each failed try means that others created the tenant and removed it again. */
const CREATE_TRIES = 10;

export function createTenantStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): TenantStore {
  const { retrying: table } = storage.table(TABLES.tenants);

  async function get(tenantName: string): Promise<Tenant | undefined> {
    const { partitionKey, rowKey } = tenantKeys(tenantName);
    const row = await readRow(storage.table(TABLES.tenants), partitionKey, rowKey);
    return row && tenantOf(row.cells);
  }

  async function* rows(filter: string, maxPageSize?: number): AsyncIterable<Row> {
    try {
      const pages = table.listEntities({ queryOptions: { filter } }).byPage(maxPageSize ? { maxPageSize } : {});
      for await (const page of pages) yield* page;
    } catch (error) {
      throw storageError(error, "reading tenants");
    }
  }

  /** One page of the rows that match the filter. `keyOf`: the key of the page's last item, for its token. */
  async function pageOf<T>(
    filter: string,
    pageSize: number,
    read: (row: Row) => T,
    keyOf: (item: T) => string,
  ): Promise<Page<T>> {
    const items: T[] = [];
    for await (const row of rows(filter, pageSize)) {
      const item = read(row);
      items.push(item);
      if (items.length === pageSize) {
        return { items, continuationToken: encodePosition({ shard: 0, after: keyOf(item) }) };
      }
    }
    return { items, continuationToken: undefined };
  }

  /** False if there is no such row, or if the SDK repeated the request after a lost answer. */
  async function removeRow({ partitionKey, rowKey }: RowKeys): Promise<boolean> {
    try {
      await table.deleteEntity(partitionKey, rowKey);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw storageError(error, "removing a row");
    }
  }

  const grantsOn = (tenantName: string, after: string): string =>
    odata`PartitionKey gt ${after} and PartitionKey lt ${AFTER_GRANTS} and RowKey eq ${tenantName}`;

  return {
    async create(tenant) {
      for (let tries = 0; tries < CREATE_TRIES; tries++) {
        try {
          await table.createEntity({ ...tenantKeys(tenant.tenantName), ...tenantCells(tenant) });
          return tenant;
        } catch (error) {
          if (!isExisting(error)) throw storageError(error, "creating a tenant");
        }
        // If it is missing, it was removed just now.
        const stored = await get(tenant.tenantName);
        if (stored !== undefined) return stored;
      }
      throw new UnavailableError(
        "StorageUnavailable",
        "The tenant was removed during every attempt to create it. Retry later.",
      );
    },

    get,

    async setWeight(tenantName, weight) {
      try {
        await table.updateEntity({ ...tenantKeys(tenantName), ...weightCells(weight) }, "Merge", { etag: "*" });
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storageError(error, "writing a tenant");
      }
      return get(tenantName);
    },

    async list({ pageSize, continuationToken }) {
      const after = positionOf(continuationToken, TENANT_NAME_PATTERN);
      const filter = odata`PartitionKey eq ${TENANT_PARTITION} and RowKey gt ${after}`;
      return pageOf(filter, pageSize, tenantOf, ({ tenantName }) => tenantName);
    },

    async remove(tenantName) {
      // Grants first: a crash must leave a tenant without grants, not grants without a tenant.
      for await (const row of rows(grantsOn(tenantName, GRANT_PREFIX))) await removeRow(grantKeys(grantOf(row)));
      return removeRow(tenantKeys(tenantName));
    },

    async grantsOf(principalId) {
      const grants: TenantGrant[] = [];
      for await (const row of rows(odata`PartitionKey eq ${grantPartition(principalId)}`)) grants.push(grantOf(row));
      return grants;
    },

    async listGrants(tenantName, { pageSize, continuationToken }) {
      const after = grantPartition(positionOf(continuationToken, PRINCIPAL_ID_PATTERN));
      return pageOf(grantsOn(tenantName, after), pageSize, grantOf, ({ principalId }) => principalId);
    },

    async putGrant(grant) {
      try {
        await table.upsertEntity({ ...grantKeys(grant), ...grantCells(grant) }, "Merge");
      } catch (error) {
        throw storageError(error, "writing a grant");
      }
    },

    async removeGrant(tenantName, principalId) {
      return removeRow(grantKeys({ principalId, tenantName }));
    },
  };
}

/** The key before a page; empty for the first page. Throws InvalidRequestError for an invalid token. */
function positionOf(token: PageRequest["continuationToken"], key: RegExp): string {
  return token === undefined ? "" : decodePosition(token, 1, (after) => key.test(after)).after;
}

export const TENANT_PARTITION = "tenant";
export const GRANT_PREFIX = "grant.";
/** The first key after all keys with the prefix. */
const AFTER_GRANTS = "grant/";

const TENANT_COLUMNS: Columns<Omit<Tenant, "tenantName">> = {
  createdAt: instant("createdAt"),
  createdBy: text("createdBy"),
  weight: optional("weight", integer("weight")),
};

const GRANT_COLUMNS: Columns<Omit<TenantGrant, "tenantName" | "principalId">> = {
  access: word("access", TENANT_ACCESS),
  name: text("name"),
  grantedAt: instant("grantedAt"),
  grantedBy: text("grantedBy"),
};

export const tenantKeys = (tenantName: string): RowKeys => ({ partitionKey: TENANT_PARTITION, rowKey: tenantName });

export const grantPartition = (principalId: string): string => `${GRANT_PREFIX}${principalId}`;

/** Throws InvariantError for an invalid object id, which must not become a key. */
export function grantKeys({ principalId, tenantName }: Pick<TenantGrant, "principalId" | "tenantName">): RowKeys {
  if (!PRINCIPAL_ID_PATTERN.test(principalId)) throw new InvariantError("Not an object id.");
  return { partitionKey: grantPartition(principalId), rowKey: tenantName };
}

export const weightCells = (weight: number): Cells => writeCells(TENANT_COLUMNS, { weight });
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
