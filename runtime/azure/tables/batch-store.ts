/**
 * Batches in table `batches`. PartitionKey is the tenant, RowKey the batch id, which sorts newest first. Properties
 * have the names of the fields: batchName, priority, pool, state, generation, completedGeneration, completedAt,
 * unannounced, failureNotice, atRest, forgetAt, forgottenAt, frozenCounts, shardCount, createdAt, createdBy, tags, indexedAt.
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import { instantSchema } from "../../core/instant.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import { BATCH_STATES, type Batch, type BatchEnd, type FailureNotice } from "../../core/job/job.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import { JOB_STATES } from "../../core/job/states.ts";
import type { BatchChanges, BatchStore } from "../../core/ports/batch-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { StorageClients } from "../connect.ts";
import { isExisting, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  added,
  flag,
  instant,
  integer,
  noticeFields,
  optionalInstant,
  optionalJson,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, type StoredRow, decodePosition, encodePosition, putRow, readRow, readable } from "./rows.ts";

/**
 * A missing property is not equal to true, so rows without it are included:
 * https://github.com/Azure/azure-storage-net/issues/696
 */
const ACTIVE = odata`not (atRest eq ${true})`;

export function createBatchStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): BatchStore {
  const table = storage.table(TABLES.batches);

  async function get(batchId: string): Promise<Stored<Batch> | undefined> {
    const parts = parseBatchId(batchId);
    if (parts === undefined) return undefined;
    const row = await readRow(table, parts.tenantName, batchId);
    return row && storedBatch(row);
  }

  return {
    async create(batch) {
      try {
        // The SDK may repeat it. A repeated insert finds its own row, which is a success too.
        await table.retrying.createEntity({ ...batchKeys(batch.batchId), ...batchCells(batch) });
        return batch;
      } catch (error) {
        if (!isExisting(error)) throw storageError(error, "creating a batch");
      }
      const stored = await get(batch.batchId);
      if (stored === undefined) throw new InvariantError("A batch exists and cannot be read.");
      return stored.value;
    },

    get,

    async update(batchId, etag, changes) {
      const keys = batchKeys(batchId);
      const result = await putRow(table, keys, changedBatchCells(changes), etag);
      return result.written ? result : { written: false, current: result.current && storedBatch(result.current) };
    },

    async *active(onUnreadable) {
      try {
        for await (const row of table.retrying.listEntities({ queryOptions: { filter: ACTIVE } })) {
          yield* readable(row, storedBatch, onUnreadable);
        }
      } catch (error) {
        throw storageError(error, "listing active batches");
      }
    },

    async list(tenantName, { pageSize, continuationToken }) {
      const isOurs = (after: string): boolean => parseBatchId(after)?.tenantName === tenantName;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      const filter = odata`PartitionKey eq ${tenantName} and RowKey gt ${after}`;
      const items: Batch[] = [];
      try {
        const rows = table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: pageSize });
        for await (const page of rows) {
          for (const row of page) {
            items.push(batchOf(row));
            if (items.length < pageSize) continue;
            return { items, continuationToken: encodePosition({ shard: 0, after: row.rowKey ?? "" }) };
          }
        }
      } catch (error) {
        throw storageError(error, "listing batches");
      }
      return { items, continuationToken: undefined };
    },
  };
}

export const storedBatch = ({ cells, etag }: StoredRow): Stored<Batch> => ({ value: batchOf(cells), etag });

/** The batch id contains the other fields. */
type StoredBatch = Omit<Batch, "batchId" | "tenantName">;

/** Removing one entry writes the others again, so fields of a later release must stay. */
const endSchema: z.ZodType<BatchEnd> = z.looseObject({
  generation: z.int().min(1),
  state: z.enum(BATCH_STATES),
  completedAt: instantSchema,
  counts: z.record(z.enum(JOB_STATES), z.int()),
});

const UNANNOUNCED = optionalJson("unannounced", z.array(endSchema).readonly());

const failureNoticeSchema: z.ZodType<FailureNotice> = z.looseObject({
  ...noticeFields,
  jobIds: z.array(z.string()),
});

const BATCH_COLUMNS: Columns<StoredBatch> = {
  batchName: text("batchName"),
  priority: word("priority", PRIORITIES),
  pool: text("pool"),
  state: word("state", BATCH_STATES),
  generation: integer("generation"),
  completedGeneration: added("completedGeneration", integer("completedGeneration"), 0),
  completedAt: optionalInstant("completedAt"),
  unannounced: {
    write: (ends) => UNANNOUNCED.write(ends.length === 0 ? undefined : ends),
    read: (row) => UNANNOUNCED.read(row) ?? [],
  },
  failureNotice: optionalJson("failureNotice", failureNoticeSchema),
  atRest: added("atRest", flag("atRest"), false),
  forgetAt: optionalInstant("forgetAt"),
  forgottenAt: optionalInstant("forgottenAt"),
  frozenCounts: optionalJson("frozenCounts", z.record(z.enum(JOB_STATES), z.int())),
  shardCount: integer("shardCount"),
  createdAt: instant("createdAt"),
  createdBy: text("createdBy"),
  tags: optionalJson("tags", z.array(z.string()).readonly()),
  indexedAt: optionalInstant("indexedAt"),
};

/** The keys of a batch's row. Throws InvariantError for an invalid batch id. */
export function batchKeys(batchId: string): RowKeys {
  const parts = parseBatchId(batchId);
  if (parts === undefined) throw new InvariantError("Not a batch id.");
  return { partitionKey: parts.tenantName, rowKey: batchId };
}

export const batchCells = (batch: Batch): Cells => writeCells(BATCH_COLUMNS, batch);

/** The cells of a merge. A field that is present with the value undefined is written as absent. */
export const changedBatchCells = (changes: BatchChanges): Cells =>
  writeCells(BATCH_COLUMNS, changes as Partial<StoredBatch>);

/** The batch in a row. Throws UnreadableError when the row cannot be read. */
export function batchOf(row: Row): Batch {
  const batchId = row["rowKey"];
  const parts = typeof batchId === "string" ? parseBatchId(batchId) : undefined;
  if (typeof batchId !== "string" || parts === undefined) {
    throw new InvariantError("A batch's row has no batch id as key.");
  }
  return { batchId, tenantName: parts.tenantName, ...readCells("batch", BATCH_COLUMNS, row) };
}
