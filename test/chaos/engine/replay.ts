/**
 * Replays recorded writes: the effect of each on its row, in the order in which storage carried them out. `checker.ts`
 * judges them.
 */
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import type { RowWrite, WireRecord } from "./storage-wire.ts";
import { add, type Counts, countsOf, minus } from "./counts.ts";
import {
  type BatchRow,
  batchRow,
  type JobRow,
  jobRow,
  startsOf,
  type StoredCells,
  type WrittenStart,
} from "./recorded-rows.ts";

/** One successful write of a job's row. */
export interface JobChange {
  /** In ms since the epoch. */
  readonly at: number;
  /** Place in the record, which all tables share. The changes of one transaction have the same. */
  readonly order: number;
  readonly jobId: string;
  readonly partition: string;
  readonly before: JobRow | undefined;
  readonly after: JobRow;
  readonly write: Pick<RowWrite, "kind" | "ifMatch">;
  readonly starts: readonly WrittenStart[];
}

/** One successful write of a batch's row. */
export interface BatchChange {
  readonly order: number;
  readonly batchId: string;
  readonly before: BatchRow | undefined;
  readonly after: BatchRow;
  readonly write: Pick<RowWrite, "kind" | "ifMatch">;
  /** The generation that this write completes. Undefined: it completes none. */
  readonly completes: number | undefined;
}

/** One transaction: its jobs, and its changes to the counters. */
export interface Transaction {
  readonly partition: string;
  readonly changes: readonly JobChange[];
  /** By state: the growth of all counter rows in it. */
  readonly counted: Counts;
  /** Counter rows written on a condition that did not hold, or without one. */
  readonly staleCounters: number;
}

export interface History {
  readonly transactions: readonly Transaction[];
  readonly changes: readonly JobChange[];
  readonly batchChanges: readonly BatchChange[];
  /** As the last write left them. */
  readonly rows: ReadonlyMap<string, JobRow>;
  readonly batches: ReadonlyMap<string, BatchRow>;
  /** Sum of all counter rows by partition. */
  readonly counters: ReadonlyMap<string, Counts>;
}

/** Counter rows sort after all jobs. */
const COUNTER_PREFIX = "~";

interface Applied {
  readonly write: RowWrite;
  readonly before: StoredCells | undefined;
  readonly after: StoredCells;
}

/** Tables after the writes so far. */
type Tables = Map<string, Map<string, StoredCells>>;

export function replay(records: readonly WireRecord[]): History {
  const tables: Tables = new Map();
  const transactions: Transaction[] = [];
  const batchChanges: BatchChange[] = [];
  records.forEach((record, order) => {
    if (!record.landed) return;
    const applied = record.writes.map((write) => apply(tables, write));
    const ofJobs = applied.filter(({ write }) => write.table === TABLES.jobs && !isNote(write.partition));
    if (ofJobs.length > 0) transactions.push(transactionOf(ofJobs, record.at, order));
    const ofBatches = applied.filter(({ write }) => write.table === TABLES.batches);
    batchChanges.push(...ofBatches.map((change) => batchChangeOf(change, order)));
  });

  const counters = new Map<string, Counts>();
  const rows = new Map<string, JobRow>();
  for (const [key, stored] of tables.get(TABLES.jobs) ?? []) {
    const { partition, row } = addressOf(key);
    if (isNote(partition)) continue;
    if (isCounter(row)) counters.set(partition, add(counters.get(partition) ?? {}, countsOf(stored.cells)));
    else rows.set(row, jobRow(row, stored));
  }
  const batches = [...(tables.get(TABLES.batches) ?? [])].map(
    ([key, stored]) => [addressOf(key).row, batchRow(stored)] as const,
  );
  return {
    transactions,
    changes: transactions.flatMap(({ changes }) => changes),
    batchChanges,
    rows,
    batches: new Map(batches),
    counters,
  };
}

/** The write was made on the current version of the row, or on no row for an insert. */
export const isInTurn = ({ kind, ifMatch }: Pick<RowWrite, "kind" | "ifMatch">, etag: string | undefined): boolean =>
  kind === "insert" ? etag === undefined : etag !== undefined && ifMatch === etag;

/** Notes of batches whose jobs wait without a bell lie in the table of jobs. */
const isNote = (partition: string): boolean => partition.startsWith("~");

const isCounter = (row: string): boolean => row.startsWith(COUNTER_PREFIX);

// Neither our keys nor those of counters contain a space.
const keyOf = ({ partition, row }: RowWrite): string => `${partition} ${row}`;

function addressOf(key: string): { readonly partition: string; readonly row: string } {
  const [partition = "", row = ""] = key.split(" ");
  return { partition, row };
}

function apply(tables: Tables, write: RowWrite): Applied {
  const table = tables.get(write.table) ?? new Map<string, StoredCells>();
  tables.set(write.table, table);
  const before = table.get(keyOf(write));
  const after = {
    cells: write.kind === "merge" ? { ...before?.cells, ...write.cells } : write.cells,
    etag: write.etag ?? "",
  };
  table.set(keyOf(write), after);
  return { write, before, after };
}

function transactionOf(applied: readonly Applied[], at: number, order: number): Transaction {
  const changes: JobChange[] = [];
  let counted: Counts = {};
  let staleCounters = 0;
  for (const { write, before, after } of applied) {
    if (isCounter(write.row)) {
      counted = add(counted, minus(countsOf(after.cells), before === undefined ? {} : countsOf(before.cells)));
      if (!isInTurn(write, before?.etag)) staleCounters += 1;
      continue;
    }
    changes.push({
      ...{ at, order, jobId: write.row, partition: write.partition },
      before: before && jobRow(write.row, before),
      after: jobRow(write.row, after),
      write: { kind: write.kind, ifMatch: write.ifMatch },
      starts: startsOf(write.cells),
    });
  }
  return { partition: applied[0]!.write.partition, changes, counted, staleCounters };
}

function batchChangeOf({ write, before, after }: Applied, order: number): BatchChange {
  const completes = write.kind === "insert" ? undefined : write.cells["completedGeneration"];
  return {
    ...{ order, batchId: write.row },
    before: before && batchRow(before),
    after: batchRow(after),
    write: { kind: write.kind, ifMatch: write.ifMatch },
    completes: typeof completes === "number" ? completes : undefined,
  };
}
