/**
 * One writer's counter row in one partition: the jobs that it has moved into each state, minus those it moved out, and how
 * many it has seen fail. The sum over all writers is the batch's counts, without contention between writers.
 *
 * Why it stays exact (R11). A change of jobs and the counter's new value are one transaction, which is conditional on
 * the ETags of the jobs and of the counter. The new value is computed from the value with that ETag, and ETags are
 * never used again (A5). So a transaction that lands, even late, adds exactly its change to exactly the value it was
 * computed from. If the counter changed meanwhile, the whole transaction is refused. The value that is known here is
 * therefore only a guess that saves a read. A transaction with a wrong guess is refused.
 *
 * | known         | means                                          | leaves by                                  |
 * |---------------|------------------------------------------------|--------------------------------------------|
 * | absent, guess | first use: most partitions are new to a writer | `landed` → value; `reread` → the truth     |
 * | value         | the value last written or read                 | `landed`, `reread`; `forget` → nothing     |
 * | nothing       | a transaction's outcome is unknown             | the next `add` reads                       |
 */
import type { TableEntity, TransactionAction } from "@azure/data-tables";
import { InvariantError, UnreadableError } from "../../core/errors.ts";
import { addCounts, NO_COUNTS, type StateCounts } from "../../core/job/states.ts";
import { type Cells, type Columns, integer, readCells, type Row, writeCells } from "./columns.ts";
import type { TableAccess } from "../connect.ts";
import { readRow } from "./rows.ts";

/** Sorts after every job id, so that the jobs and the counters of a partition are one range each. */
export const COUNTER_PREFIX = "~";

const COUNTER_COLUMNS: Columns<StateCounts> = {
  queued: integer("queued"),
  running: integer("running"),
  succeeded: integer("succeeded"),
  failed: integer("failed"),
  canceled: integer("canceled"),
};

const knownCountsOf = (row: Row): StateCounts => readCells("counter", COUNTER_COLUMNS, row);

/**
 * The counts in a counter row. Throws UnreadableError if it counts jobs in a state that this release does not know,
 * because without them a batch could look complete.
 */
export function countsOf(row: Row): StateCounts {
  const isOther = ([name, cell]: [string, unknown]): boolean =>
    typeof cell === "number" && cell !== 0 && !(name in COUNTER_COLUMNS);
  const other = Object.entries(row).find(isOther);
  if (other !== undefined) throw new UnreadableError("counter", `It counts jobs in the unknown state ${other[0]}.`);
  return knownCountsOf(row);
}

/** How many of the writer's jobs have failed. Rows of earlier releases have no such cell. */
export const failuresOf = (row: Row): number => {
  const cell = row[FAILURES];
  const count = cell === undefined ? 0 : Number(cell);
  if (!Number.isSafeInteger(count)) throw new UnreadableError("counter", "Its count of failures is not readable.");
  return count;
};

/** As text: an earlier release takes each number for the count of a state that it does not know, and reads the batch no more. */
const FAILURES = "failures";
const failureCells = (failures: number): Cells => (failures === 0 ? {} : { [FAILURES]: String(failures) });

export interface WriterCounter {
  /** The action that adds a change, and jobs that failed. Call `landed` when its transaction has landed. */
  add(
    change: StateCounts,
    failures: number,
  ): Promise<{ readonly action: TransactionAction; landed(etag: string | undefined): void }>;
  /** Reads the row. True if it has changed since the value that the last `add` used. */
  reread(): Promise<boolean>;
  forget(): void;
}

interface Known {
  /** Undefined if there is no row. */
  readonly etag: string | undefined;
  readonly counts: StateCounts;
  readonly failures: number;
}

const NO_ROW: Known = { etag: undefined, counts: NO_COUNTS, failures: 0 };

/**
 * A writer id is part of a row key:
 * https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
 */
const WRITER_ID = /^[A-Za-z0-9._-]{1,100}$/;

export function createWriterCounter(table: TableAccess, partition: string, writerId: string): WriterCounter {
  if (!WRITER_ID.test(writerId)) throw new InvariantError(`Not a writer id: ${writerId}`);
  const rowKey = COUNTER_PREFIX + writerId;
  let known: Known | undefined = NO_ROW;

  async function read(): Promise<Known> {
    const row = await readRow(table, partition, rowKey);
    if (row === undefined) return NO_ROW;
    return { etag: row.etag, counts: knownCountsOf(row.cells), failures: failuresOf(row.cells) };
  }

  return {
    async add(change, failed) {
      known ??= await read();
      const { etag, counts } = known;
      const next = addCounts(counts, change);
      const failures = known.failures + failed;
      const cells = { ...writeCells(COUNTER_COLUMNS, next), ...failureCells(failures) };
      const entity: TableEntity = { partitionKey: partition, rowKey, ...cells };
      return {
        action: etag === undefined ? ["create", entity] : ["update", entity, "Merge", { etag }],
        landed: (newEtag) => {
          known = { etag: newEtag, counts: next, failures };
        },
      };
    },
    async reread() {
      const before = known;
      known = await read();
      return known.etag !== before?.etag;
    },
    forget() {
      known = undefined;
    },
  };
}
