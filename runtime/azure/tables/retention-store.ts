/**
 * How long tenants keep what is left of their jobs: rows of table `tenants`, PartitionKey `retention`, RowKey the tenant.
 * Properties: succeeded, failed and canceled with their days as JSON, deadLetterDays, changedAt, changedBy.
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import type { OutcomeRetention, TenantRetention } from "../../core/job/retention.ts";
import type { RetentionStore } from "../../core/ports/retention-store.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, storageError } from "../translate-error.ts";
import { type Cells, type Columns, type Row, instant, integer, json, readCells, text, writeCells } from "./columns.ts";
import { type RowKeys, readRow } from "./rows.ts";

export function createRetentionStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): RetentionStore {
  const table = storage.table(TABLES.tenants);
  return {
    async get(tenantName) {
      const row = await readRow(table, RETENTION_PARTITION, tenantName);
      return row && retentionOf(row.cells);
    },

    async put(retention) {
      const entity = { ...retentionKeys(retention.tenantName), ...retentionCells(retention) };
      try {
        await table.retrying.upsertEntity(entity, "Merge");
      } catch (error) {
        throw storageError(error, "writing a retention");
      }
    },

    async remove(tenantName) {
      try {
        await table.retrying.deleteEntity(RETENTION_PARTITION, tenantName);
      } catch (error) {
        if (!isMissing(error)) throw storageError(error, "removing a retention");
      }
    },

    async all() {
      const found: TenantRetention[] = [];
      const filter = odata`PartitionKey eq ${RETENTION_PARTITION}`;
      try {
        for await (const row of table.retrying.listEntities({ queryOptions: { filter } })) found.push(retentionOf(row));
      } catch (error) {
        throw storageError(error, "reading retentions");
      }
      return found;
    },
  };
}

export const RETENTION_PARTITION = "retention";

/** Each write is of the whole object, so fields of a later release must stay. */
const outcomeSchema: z.ZodType<OutcomeRetention> = z.looseObject({
  rowDays: z.int().min(0),
  logDays: z.int().min(0),
  fileDays: z.int().min(0),
});

const COLUMNS: Columns<Omit<TenantRetention, "tenantName">> = {
  succeeded: json("succeeded", outcomeSchema),
  failed: json("failed", outcomeSchema),
  canceled: json("canceled", outcomeSchema),
  deadLetterDays: integer("deadLetterDays"),
  changedAt: instant("changedAt"),
  changedBy: text("changedBy"),
};

export const retentionKeys = (tenantName: string): RowKeys => ({
  partitionKey: RETENTION_PARTITION,
  rowKey: tenantName,
});

export function retentionCells({ tenantName: _, ...retention }: TenantRetention): Cells {
  return writeCells(COLUMNS, retention);
}

/** Throws UnreadableError when the row cannot be read: then nothing of any tenant is removed. */
export function retentionOf(row: Row): TenantRetention {
  const tenantName = row["rowKey"];
  if (typeof tenantName !== "string") throw new InvariantError("A retention's row has no tenant as key.");
  return { tenantName, ...readCells("retention", COLUMNS, row) };
}
