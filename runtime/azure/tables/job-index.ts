/**
 * The index of jobs in table `index`. One partition for each tenant and state, `{tenant}.{state}`, and one for all of its
 * tags, `{tenant}.tags`. RowKey is the time of the job counted down and its id, behind `{tag}!` in the partition of tags: a
 * range query reads the newest first. Properties: jobType, batchId, runAt, and in partitions of states one for each tag.
 */
import { type TransactionAction, odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { jobIdParts, newestFirst, newestFirstKey } from "../../core/job/ids.ts";
import { JOB_STATES } from "../../core/job/states.ts";
import type { IndexEntry, IndexMove, IndexPlace, IndexRange, JobIndex } from "../../core/ports/job-index.ts";
import type { StorageClients } from "../connect.ts";
import { storageError } from "../translate-error.ts";
import {
  type Cell,
  type Cells,
  type Columns,
  type Row,
  optionalInstant,
  readCells,
  text,
  writeCells,
} from "./columns.ts";
import { inTransactions, removeRows } from "./remove-rows.ts";
import type { RowKeys } from "./rows.ts";

/** Entries in one answer of the service. */
const PAGE_MAX = 1_000;

export function createJobIndex({ storage }: { readonly storage: Pick<StorageClients, "table"> }): JobIndex {
  const table = storage.table(TABLES.index);

  async function upsert(rows: readonly IndexRow[]): Promise<void> {
    await inTransactions(rows, async (group) => {
      const actions = group.map(({ keys, cells }): TransactionAction => ["upsert", { ...keys, ...cells }, "Replace"]);
      try {
        await table.retrying.submitTransaction(actions);
      } catch (error) {
        throw storageError(error, "writing the index");
      }
    });
  }

  const remove = (rows: readonly RowKeys[]): Promise<void> => removeRows(table, rows, "removing from the index");

  return {
    async write(moves) {
      await upsert(moves.flatMap(entriesOf));
      // Afterwards: at no moment is a job noted nowhere.
      await remove(moves.flatMap(leftByMove));
    },

    async read(place, range, abortSignal) {
      const options = {
        queryOptions: { filter: filterOf(place, range), select: ["RowKey", "runAt"] },
        ...(abortSignal && { abortSignal }),
      };
      const entries: IndexEntry[] = [];
      try {
        const pages = table.retrying.listEntities(options).byPage({ maxPageSize: Math.min(range.limit, PAGE_MAX) });
        for await (const rows of pages) {
          for (const row of rows) {
            entries.push(entryOf(row.rowKey ?? "", readCells("indexEntry", RUN_AT, row)));
            if (entries.length === range.limit) return entries;
          }
        }
      } catch (error) {
        throw storageError(error, "reading the index");
      }
      return entries;
    },

    remove: (jobs) => remove(jobs.flatMap(({ jobId, tags }) => allKeysOf(jobId, tags))),

    removeFrom: (place, jobIds) => remove(jobIds.map((jobId) => indexKeys(place, jobId))),
  };
}

/** A row as it is to be. */
export interface IndexRow {
  readonly keys: RowKeys;
  readonly cells: Cells;
}

/** The rows that note a job after its move. */
export function entriesOf(move: IndexMove): readonly IndexRow[] {
  const { jobId, facts, from, to, runAt, tagsBefore } = move;
  const { tenantName, batchId } = jobIdParts(jobId);
  const { jobType, tags = [] } = facts;
  const cells = writeCells(INDEX_COLUMNS, { jobType, batchId, ...(runAt && to === "queued" && { runAt }) });
  const notesTags = from === undefined || tagsBefore !== undefined;
  return [
    { keys: indexKeys({ tenantName, state: to }, jobId), cells: { ...cells, ...tagCells(tags) } },
    ...(notesTags ? tags.map((tag) => ({ keys: indexKeys({ tenantName, tag }, jobId), cells })) : []),
  ];
}

/** The keys of what no longer holds after it. */
export function leftByMove({ jobId, facts, from, to, tagsBefore = [] }: IndexMove): readonly RowKeys[] {
  const { tenantName } = jobIdParts(jobId);
  const removed = tagsBefore.filter((tag) => !(facts.tags ?? []).includes(tag));
  return [
    ...(from === undefined || from === to ? [] : [indexKeys({ tenantName, state: from }, jobId)]),
    ...removed.map((tag) => indexKeys({ tenantName, tag }, jobId)),
  ];
}

/** Of everything that can be noted of a job. */
export function allKeysOf(jobId: string, tags: readonly string[] = []): readonly RowKeys[] {
  const { tenantName } = jobIdParts(jobId);
  return [
    ...JOB_STATES.map((state) => indexKeys({ tenantName, state }, jobId)),
    ...tags.map((tag) => indexKeys({ tenantName, tag }, jobId)),
  ];
}

/** No tag contains the first, and it sorts before what a tag may contain; the second sorts behind every time. */
const AFTER_TAG = "!";
const LAST = "~";
const prefixOf = (place: IndexPlace): string => ("tag" in place ? `${place.tag}${AFTER_TAG}` : "");

export const partitionOfPlace = (place: IndexPlace): string =>
  `${place.tenantName}.${"tag" in place ? "tags" : place.state}`;

export const indexKeys = (place: IndexPlace, jobId: string): RowKeys => ({
  partitionKey: partitionOfPlace(place),
  rowKey: `${prefixOf(place)}${newestFirstKey(jobId)}`,
});

/** The keys between which a range lies, both excluded. */
export function boundsOf(
  place: IndexPlace,
  { after = "", since, until }: IndexRange,
): { readonly above: string; readonly below: string } {
  const untilKey = until === undefined ? "" : newestFirst(new Date(until.getTime() - 1));
  const prefix = prefixOf(place);
  return {
    above: prefix + (after > untilKey ? after : untilKey),
    below: prefix + (since === undefined ? LAST : `${newestFirst(since)}${LAST}`),
  };
}

function filterOf(place: IndexPlace, range: IndexRange): string {
  const { above, below } = boundsOf(place, range);
  const { jobType, batchId, tag, startsAfter } = range;
  return [
    odata`PartitionKey eq ${partitionOfPlace(place)} and RowKey gt ${above} and RowKey lt ${below}`,
    ...(jobType === undefined ? [] : [odata`jobType eq ${jobType}`]),
    ...(batchId === undefined ? [] : [odata`batchId eq ${batchId}`]),
    ...(startsAfter === undefined ? [] : [odata`runAt gt ${startsAfter}`]),
    // Azurite takes an absent property for equal to anything, and for greater than nothing.
    ...(tag === undefined ? [] : [`${tagProperty(tag)} gt 0`]),
  ].join(" and ");
}

/**
 * A property for each tag, so that a filter has one comparison for it: `tag_customer_3A4711` of `customer:4711`. Names of
 * properties take letters, digits and underscores.
 */
const tagProperty = (tag: string): string =>
  `tag_${tag.replaceAll(/[^A-Za-z0-9]/g, (sign) => `_${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`)}`;

const tagCells = (tags: readonly string[]): Cells =>
  Object.fromEntries(tags.map((tag): [string, Cell] => [tagProperty(tag), 1]));

/** Whether a row of a state's partition notes this tag. */
export const isTagged = (row: Row, tag: string): boolean => row[tagProperty(tag)] === 1;

interface StoredEntry {
  readonly jobType: string;
  readonly batchId: string;
  readonly runAt: Date | undefined;
}

const INDEX_COLUMNS: Columns<StoredEntry> = {
  jobType: text("jobType"),
  batchId: text("batchId"),
  runAt: optionalInstant("runAt"),
};

const RUN_AT: Columns<Pick<StoredEntry, "runAt">> = { runAt: INDEX_COLUMNS.runAt };

/** What a row of the index says. Throws UnreadableError when the row cannot be read. */
export const storedEntryOf = (row: Row): StoredEntry => readCells("indexEntry", INDEX_COLUMNS, row);

export function entryOf(rowKey: string, { runAt }: Pick<StoredEntry, "runAt">): IndexEntry {
  const position = rowKey.slice(rowKey.indexOf(AFTER_TAG) + 1);
  return { jobId: position.slice(position.indexOf(".") + 1), position, ...(runAt && { runAt }) };
}
