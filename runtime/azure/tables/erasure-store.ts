/** The erasing of tenants in table `tenants`: PartitionKey `erasure`, RowKey the tenant. */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import { type ErasedCounts, type Erasure, ERASURE_STATES } from "../../core/job/erasure.ts";
import type { ErasureStore } from "../../core/ports/erasure-store.ts";
import type { StorageClients } from "../connect.ts";
import { storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  instant,
  integer,
  json,
  optionalInstant,
  readCells,
  text,
  wide,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, putRow, readRow } from "./rows.ts";

export function createErasureStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): ErasureStore {
  const table = storage.table(TABLES.tenants);
  return {
    async get(tenantName) {
      const row = await readRow(table, ERASURE_PARTITION, tenantName);
      return row && { value: erasureOf(row.cells), etag: row.etag };
    },
    async put(erasure, etag) {
      return (await putRow(table, erasureKeys(erasure.tenantName), erasureCells(erasure), etag)).written;
    },
    async all() {
      const found: Erasure[] = [];
      const filter = odata`PartitionKey eq ${ERASURE_PARTITION}`;
      try {
        for await (const row of table.retrying.listEntities({ queryOptions: { filter } })) found.push(erasureOf(row));
      } catch (error) {
        throw storageError(error, "reading what was erased");
      }
      return found;
    },
  };
}

export const ERASURE_PARTITION = "erasure";

export const erasureKeys = (tenantName: string): RowKeys => ({ partitionKey: ERASURE_PARTITION, rowKey: tenantName });

/** Each write is of the whole object, so counts of a later release must stay. */
const removedSchema: z.ZodType<ErasedCounts> = z.record(z.string(), z.int().min(0));

const COLUMNS: Columns<Omit<Erasure, "tenantName">> = {
  state: word("state", ERASURE_STATES),
  startedAt: instant("startedAt"),
  startedBy: text("startedBy"),
  canceled: wide("canceled"),
  open: integer("open"),
  removed: json("removed", removedSchema),
  removedInPass: wide("removedInPass"),
  nextAt: instant("nextAt"),
  endedAt: optionalInstant("endedAt"),
};

export const erasureCells = ({ tenantName: _, ...erasure }: Erasure): Cells => writeCells(COLUMNS, erasure);

/** Throws UnreadableError when the row cannot be read. */
export function erasureOf(row: Row): Erasure {
  const tenantName = row["rowKey"];
  if (typeof tenantName !== "string") throw new InvariantError("An erasure's row has no tenant as key.");
  return { tenantName, ...readCells("erasure", COLUMNS, row) };
}
