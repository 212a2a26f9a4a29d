/** Quotas of tenants in table `tenants`: PartitionKey `quota`, RowKey the tenant. */
import { odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import * as z from "zod";
import { instantSchema } from "../../core/instant.ts";
import { type FullQuota, type QuotaStore, type TenantQuota, QUOTA_NAMES } from "../../core/ports/quota-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  instant,
  optional,
  optionalInstant,
  optionalJson,
  readCells,
  text,
  wide,
  writeCells,
} from "./columns.ts";
import { type RowKeys, type StoredRow, etagOf, putRow, readRow } from "./rows.ts";

export function createQuotaStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): QuotaStore {
  const table = storage.table(TABLES.tenants);
  return {
    async get(tenantName) {
      const row = await readRow(table, QUOTA_PARTITION, tenantName);
      return row && storedQuota(row);
    },
    put: async (quota, etag) => (await putRow(table, quotaKeys(quota), quotaCells(quota), etag)).written,
    async remove(tenantName) {
      try {
        await table.retrying.deleteEntity(QUOTA_PARTITION, tenantName);
      } catch (error) {
        if (!isMissing(error)) throw storageError(error, "removing quotas");
      }
    },
    async *all() {
      const filter = odata`PartitionKey eq ${QUOTA_PARTITION}`;
      try {
        for await (const row of table.retrying.listEntities({ queryOptions: { filter } })) {
          yield storedQuota({ cells: row, etag: etagOf(row) });
        }
      } catch (error) {
        throw storageError(error, "reading quotas");
      }
    },
  };
}

export const QUOTA_PARTITION = "quota";

export const quotaKeys = ({ tenantName }: Pick<TenantQuota, "tenantName">): RowKeys => ({
  partitionKey: QUOTA_PARTITION,
  rowKey: tenantName,
});

const fullSchema: z.ZodType<FullQuota> = z.looseObject({
  ...{ quota: z.enum(QUOTA_NAMES), day: z.string(), at: instantSchema },
  ...{ limit: z.number(), used: z.number(), isMade: z.boolean() },
});

const QUOTA_COLUMNS: Columns<Omit<TenantQuota, "tenantName">> = {
  jobsPerDay: optional("jobsPerDay", wide("jobsPerDay")),
  storedBytes: optional("storedBytes", wide("storedBytes")),
  setAt: instant("setAt"),
  setBy: text("setBy"),
  day: text("day"),
  jobsTaken: wide("jobsTaken"),
  storedNow: optional("storedNow", wide("storedNow")),
  storedAt: optionalInstant("storedAt"),
  full: optionalJson("full", z.array(fullSchema).readonly()),
};

export const quotaCells = (quota: TenantQuota): Cells => writeCells(QUOTA_COLUMNS, quota);

/** Throws UnreadableError when the row cannot be read. */
export function quotaOf(row: Row): TenantQuota {
  const { rowKey } = row;
  if (typeof rowKey !== "string") throw new InvariantError("A row was read without its keys.");
  return { tenantName: rowKey, ...readCells("quota", QUOTA_COLUMNS, row) };
}

const storedQuota = ({ cells, etag }: StoredRow): Stored<TenantQuota> => ({ value: quotaOf(cells), etag });
