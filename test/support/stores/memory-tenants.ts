/** A TenantStore in memory. */
import { decodePosition, encodePosition } from "../../../runtime/azure/tables/rows.ts";
import {
  GRANT_PREFIX,
  grantCells,
  grantKeys,
  grantOf,
  grantPartition,
  TENANT_PARTITION,
  tenantCells,
  tenantKeys,
  tenantOf,
  weightCells,
} from "../../../runtime/azure/tables/tenant-store.ts";
import { PRINCIPAL_ID_PATTERN } from "../../../runtime/core/http/access.ts";
import { TENANT_NAME_PATTERN } from "../../../runtime/core/job/ids.ts";
import type { TenantStore } from "../../../runtime/core/ports/tenant-store.ts";
import { type KeyedRow, MemoryTable, pageOf } from "./memory-table.ts";

export function createMemoryTenants(table = new MemoryTable()): TenantStore {
  /** By principal. */
  const grantsOn = async (tenantName: string): Promise<readonly KeyedRow[]> =>
    (await table.all()).filter((row) => row.partitionKey.startsWith(GRANT_PREFIX) && row.rowKey === tenantName);

  return {
    async create(tenant) {
      const { current } = {
        current: undefined,
        ...(await table.write(tenantKeys(tenant.tenantName), tenantCells(tenant), undefined)),
      };
      return current === undefined ? tenant : tenantOf(current.cells);
    },

    async get(tenantName) {
      const row = await table.get(tenantKeys(tenantName));
      return row && tenantOf(row.cells);
    },

    async setWeight(tenantName, weight) {
      const row = await table.get(tenantKeys(tenantName));
      if (row === undefined) return undefined;
      const { etag } = row;
      await table.write(tenantKeys(tenantName), weightCells(weight), etag);
      return tenantOf({ ...row.cells, ...weightCells(weight) });
    },

    async list({ pageSize, continuationToken }) {
      const after = positionOf(continuationToken, TENANT_NAME_PATTERN);
      return pageOf(await table.rows({ partitionKey: TENANT_PARTITION, after }), pageSize, tenantOf);
    },

    async remove(tenantName) {
      for (const row of await grantsOn(tenantName)) await table.remove(row);
      return table.remove(tenantKeys(tenantName));
    },

    async grantsOf(principalId) {
      return (await table.rows({ partitionKey: grantPartition(principalId) })).map(({ cells }) => grantOf(cells));
    },

    async listGrants(tenantName, { pageSize, continuationToken }) {
      const after = grantPartition(positionOf(continuationToken, PRINCIPAL_ID_PATTERN));
      const grants = (await grantsOn(tenantName))
        .filter(({ partitionKey }) => partitionKey > after)
        .map(({ cells }) => grantOf(cells));
      const last = grants[pageSize - 1];
      return {
        items: grants.slice(0, pageSize),
        continuationToken: last && encodePosition({ shard: 0, after: last.principalId }),
      };
    },

    async putGrant(grant) {
      const keys = grantKeys(grant);
      await table.turn();
      table.put(keys, { ...table.peek(keys)?.cells, ...grantCells(grant) });
    },

    removeGrant: async (tenantName, principalId) => table.remove(grantKeys({ principalId, tenantName })),
  };
}

const positionOf = (token: string | undefined, key: RegExp): string =>
  token === undefined ? "" : decodePosition(token, 1, (after) => key.test(after)).after;
