/**
 * Lines in table `gates`. PartitionKey is `{tenant}.{hash of kind, job type and key}`. RowKeys: `head` for the line's row,
 * `line.{ticket}` for a place, which sorts behind it, and `of.{jobId}.{ring}` for the same place, to find it by its job.
 * Both rows of a place are written and removed in one transaction.
 */
import { createHash } from "node:crypto";
import { type TransactionAction, odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { Place } from "../../core/admission/line.ts";
import { LIMIT_KINDS, type LineHead, type LineName } from "../../core/admission/limit.ts";
import type { FoundLine, LinePage, LineStore, LineWrite } from "../../core/ports/line-store.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, isMissing, isRefused, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  flag,
  integer,
  json,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type StoredRow, etagOf, readRow, readable } from "./rows.ts";

export function createLineStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): LineStore {
  const table = storage.table(TABLES.gates);

  return {
    async read(line, maxCount): Promise<LinePage> {
      const filter = odata`PartitionKey eq ${linePartition(line)} and RowKey ge ${HEAD} and RowKey lt ${AFTER_PLACES}`;
      try {
        // A page may be shorter than asked for, and have another behind it.
        const pages = table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: maxCount + 1 });
        for await (const page of pages) return linePageOf(page, page.continuationToken === undefined);
        return { head: undefined, places: [], isWhole: true };
      } catch (error) {
        throw storageError(error, "reading a line");
      }
    },

    async placeOf(line, jobId, ring) {
      const row = await readRow(table, linePartition(line), ownKey({ jobId, ring }));
      return row && placeOf(row.cells);
    },

    async write(line, write) {
      try {
        await table.once.submitTransaction(actionsOf(line, write));
        return true;
      } catch (error) {
        // Anything else than a changed row would be refused again.
        if (isRefused(error) && !isConditionFailed(error)) throw storageError(error, "writing a line");
        return false;
      }
    },

    async remove(line, places) {
      if (places.length === 0) return;
      try {
        await table.once.submitTransaction(places.flatMap((place) => removals(line, place)));
      } catch (error) {
        if (isRefused(error) && !isConditionFailed(error)) throw storageError(error, "removing places");
      }
    },

    async find(maxCount, continuationToken, onUnreadable) {
      try {
        const pages = table.retrying
          .listEntities({ queryOptions: { filter: odata`RowKey eq ${HEAD}` } })
          .byPage({ maxPageSize: maxCount, ...(continuationToken !== undefined && { continuationToken }) });
        for await (const page of pages) {
          const lines = page.flatMap((row) => readable(row, foundLine, onUnreadable));
          return { lines, continuationToken: page.continuationToken };
        }
      } catch (error) {
        throw storageError(error, "looking for lines");
      }
      return { lines: [], continuationToken: undefined };
    },

    async removeHead(line, etag) {
      try {
        // Not in a transaction: there the SDK deletes whatever the version is.
        await table.retrying.deleteEntity(linePartition(line), HEAD, { etag });
        return true;
      } catch (error) {
        if (isConditionFailed(error) || isMissing(error)) return false;
        throw storageError(error, "removing a line");
      }
    },
  };
}

function actionsOf(line: LineName, { head, etag, join, remove = [] }: LineWrite): TransactionAction[] {
  const row = { partitionKey: linePartition(line), rowKey: HEAD, ...lineHeadCells(line, head) };
  return [
    etag === undefined ? ["create", row] : ["update", row, "Merge", { etag }],
    ...placeRows(line, join).map((place): TransactionAction => ["create", place]),
    ...remove.flatMap((place) => removals(line, place)),
  ];
}

/** Both rows of a place. */
export function placeRows(line: LineName, place: Place | undefined) {
  if (place === undefined) return [];
  const partitionKey = linePartition(line);
  const cells = writeCells(PLACE_COLUMNS, place);
  return placeKeys(place).map((rowKey) => ({ partitionKey, rowKey, ...cells }));
}

const removals = (line: LineName, place: Place): TransactionAction[] =>
  placeKeys(place).map((rowKey) => ["delete", { partitionKey: linePartition(line), rowKey }]);

/** The head's row and rows of places as a page of a line. Throws UnreadableError. */
export function linePageOf(rows: readonly (Row & { readonly etag?: string })[], isWhole: boolean): LinePage {
  const [first] = rows;
  const isHead = first?.["rowKey"] === HEAD;
  return {
    head: isHead ? { value: lineHeadOf(first), etag: etagOf(first) } : undefined,
    places: rows.slice(isHead ? 1 : 0).map(placeOf),
    isWhole,
  };
}

export const HEAD = "head";
/** The first key after those of places. The same places by job follow. */
export const AFTER_PLACES = "line/";
const TICKET_LENGTH = 12;

/** A key may contain what a PartitionKey cannot. */
export const linePartition = ({ tenantName, kind, jobType, key }: LineName): string =>
  `${tenantName}.${createHash("sha256")
    .update(JSON.stringify([kind, jobType, key]))
    .digest("hex")}`;

export const ownKey = ({ jobId, ring }: Pick<Place, "jobId" | "ring">): string => `of.${jobId}.${ring}`;
export const placeKeys = (place: Place): readonly string[] => [
  `line.${String(place.ticket).padStart(TICKET_LENGTH, "0")}`,
  ownKey(place),
];

/** Kind, job type and key are for people, and for who finds the row without its name. */
export const lineHeadCells = ({ kind, jobType, key }: LineName, head: LineHead): Cells => ({
  ...{ kind, jobType, key },
  ...writeCells(HEAD_COLUMNS, head),
});

const takenSchema: z.ZodType<LineHead["taken"]> = z.array(z.tuple([z.number(), z.int()]));

const HEAD_COLUMNS: Columns<LineHead> = {
  max: integer("max"),
  era: integer("era"),
  nextTicket: integer("nextTicket"),
  taken: json("taken", takenSchema),
};

const PLACE_COLUMNS: Columns<Place> = {
  ticket: integer("ticket"),
  jobId: text("jobId"),
  ring: integer("ring"),
  waits: flag("waits"),
};

const NAME_COLUMNS: Columns<Omit<LineName, "tenantName">> = {
  kind: word("kind", LIMIT_KINDS),
  jobType: text("jobType"),
  key: text("key"),
};

/** The name and the head of a line, from its row. Throws UnreadableError when the row cannot be read. */
export const foundLine = ({ cells, etag }: StoredRow): FoundLine => {
  const [tenantName = ""] = String(cells["partitionKey"]).split(".");
  return {
    name: { tenantName, ...readCells("line", NAME_COLUMNS, cells) },
    head: { value: lineHeadOf(cells), etag },
  };
};

/** Throws UnreadableError when the row cannot be read. */
export const lineHeadOf = (row: Row): LineHead => readCells("line", HEAD_COLUMNS, row);
export const placeOf = (row: Row): Place => readCells("place", PLACE_COLUMNS, row);
