/**
 * The row of a batch in table `batches`: PartitionKey is the tenant, RowKey the batch id, which sorts newest first. The
 * properties have the names of the fields: batchName, priority, pool, state, generation, completedGeneration,
 * completedAt, unannounced, atRest, shardCount, createdAt, createdBy.
 */
import * as z from "zod";
import { InvariantError } from "../core/errors.ts";
import { parseBatchId } from "../core/ids.ts";
import { instantSchema } from "../core/instant.ts";
import { type Batch, BATCH_STATES, type BatchEnd } from "../core/job.ts";
import type { BatchChanges } from "../core/ports/batch-store.ts";
import { PRIORITIES } from "../core/priority.ts";
import { JOB_STATES } from "../core/states.ts";
import {
  added,
  type Cells,
  type Columns,
  flag,
  instant,
  integer,
  optionalInstant,
  optionalJson,
  readCells,
  type Row,
  text,
  word,
  writeCells,
} from "./columns.ts";

/** What the id says is not stored twice. */
type StoredBatch = Omit<Batch, "batchId" | "tenantName">;

/** Written anew by whoever takes one off the row: fields of a later release stay. */
const endSchema: z.ZodType<BatchEnd> = z.looseObject({
  generation: z.int().min(1),
  state: z.enum(BATCH_STATES),
  completedAt: instantSchema,
  counts: z.record(z.enum(JOB_STATES), z.int()),
});

const UNANNOUNCED = optionalJson("unannounced", z.array(endSchema).readonly());

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
  atRest: added("atRest", flag("atRest"), false),
  shardCount: integer("shardCount"),
  createdAt: instant("createdAt"),
  createdBy: text("createdBy"),
};

export interface BatchKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/** Where a batch's row lies. Throws InvariantError for a text that is no batch id. */
export function batchKeys(batchId: string): BatchKeys {
  const parts = parseBatchId(batchId);
  if (parts === undefined) throw new InvariantError("Not a batch id.");
  return { partitionKey: parts.tenantName, rowKey: batchId };
}

export const batchCells = (batch: Batch): Cells => writeCells(BATCH_COLUMNS, batch);

/** The cells of a merge: a field that is there and undefined becomes an absent one. */
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
