/**
 * The row of a batch in table `batches`: PartitionKey is the tenant, RowKey the batch id, which sorts newest first. The
 * properties have the names of the fields: batchName, priority, pool, state, generation, shardCount, createdAt, createdBy.
 */
import { InvariantError } from "../core/errors.ts";
import { parseBatchId } from "../core/ids.ts";
import { type Batch, BATCH_STATES } from "../core/job.ts";
import { PRIORITIES } from "../core/priority.ts";
import { type Cells, type Columns, instant, integer, readCells, type Row, text, word, writeCells } from "./columns.ts";

const BATCH_COLUMNS: Columns<Omit<Batch, "batchId" | "tenantName">> = {
  batchName: text("batchName"),
  priority: word("priority", PRIORITIES),
  pool: text("pool"),
  state: word("state", BATCH_STATES),
  generation: integer("generation"),
  shardCount: integer("shardCount"),
  createdAt: instant("createdAt"),
  createdBy: text("createdBy"),
};

export const batchCells = (batch: Batch): Cells => writeCells(BATCH_COLUMNS, batch);

/** The batch in a row. Throws InvariantError when the row cannot be read. */
export function batchOf(row: Row): Batch {
  const batchId = row["rowKey"];
  const parts = typeof batchId === "string" ? parseBatchId(batchId) : undefined;
  if (typeof batchId !== "string" || parts === undefined) {
    throw new InvariantError("A batch's row has no batch id as key.");
  }
  return { batchId, tenantName: parts.tenantName, ...readCells(BATCH_COLUMNS, row) };
}
