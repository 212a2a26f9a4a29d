/**
 * Replays recorded writes: what each made of its row, in the order in which storage carried them out. Nothing is judged
 * here; `checker.ts` does that.
 */
import { TABLES } from "../../../runtime/core/topology.ts";
import type { RowWrite, WireRecord } from "../../support/chaos-wire.ts";

export interface JobRow {
  readonly state: string;
  readonly ring: number;
  readonly attempts: number;
  readonly interruptions: number;
  readonly executions: number;
  readonly claimId: string;
  readonly claimWorker: string;
  readonly etag: string;
}

/** An entry of the row's history, as this write has it. */
export interface WrittenStart {
  readonly claimId: string;
  readonly outcome: string | undefined;
}

/** One write of a job's row that landed. */
export interface JobChange {
  readonly at: number;
  readonly jobId: string;
  readonly partition: string;
  readonly before: JobRow | undefined;
  readonly after: JobRow;
  readonly write: Pick<RowWrite, "kind" | "ifMatch">;
  readonly starts: readonly WrittenStart[];
}

export type Counts = Readonly<Record<string, number>>;

/** One transaction: its jobs, and what it did to the counters. */
export interface Transaction {
  readonly partition: string;
  readonly changes: readonly JobChange[];
  /** By state: how much all counter rows in it grew. */
  readonly counted: Counts;
  /** Counter rows that were written on a condition that did not hold, or on none. */
  readonly staleCounters: number;
}

export interface History {
  readonly transactions: readonly Transaction[];
  readonly changes: readonly JobChange[];
  /** As the last write left them. */
  readonly rows: ReadonlyMap<string, JobRow>;
  /** Sum of all counter rows by partition. */
  readonly counters: ReadonlyMap<string, Counts>;
}

/** Counter rows sort behind all jobs. */
const COUNTER_PREFIX = "~";
const STATES = ["queued", "running", "succeeded", "failed", "canceled"] as const;

interface StoredCells {
  cells: Readonly<Record<string, unknown>>;
  etag: string;
}

export function replay(records: readonly WireRecord[]): History {
  const stored = new Map<string, StoredCells>();
  const transactions: Transaction[] = [];
  for (const record of records) {
    const writes = record.writes.filter(({ table }) => table === TABLES.jobs);
    const [first] = writes;
    if (!record.landed || first === undefined) continue;
    const changes: JobChange[] = [];
    let counted: Counts = {};
    let staleCounters = 0;
    for (const write of writes) {
      const key = `${write.partition} ${write.row}`;
      const before = stored.get(key);
      const after = applied(before, write);
      stored.set(key, after);
      if (write.row.startsWith(COUNTER_PREFIX)) {
        counted = add(counted, minus(countsOf(after), before === undefined ? {} : countsOf(before)));
        if (!isInTurn(write, before?.etag)) staleCounters += 1;
      } else {
        changes.push({
          at: record.at,
          jobId: write.row,
          partition: write.partition,
          before: before && jobRow(before),
          after: jobRow(after),
          write: { kind: write.kind, ifMatch: write.ifMatch },
          starts: startsOf(write),
        });
      }
    }
    transactions.push({ partition: first.partition, changes, counted, staleCounters });
  }
  const entries = [...stored].map(([key, row]) => ({
    partition: key.split(" ")[0]!,
    row: key.split(" ")[1]!,
    stored: row,
  }));
  const counters = new Map<string, Counts>();
  for (const { partition, row, stored: counter } of entries) {
    if (row.startsWith(COUNTER_PREFIX)) {
      counters.set(partition, add(counters.get(partition) ?? {}, countsOf(counter)));
    }
  }
  return {
    transactions,
    changes: transactions.flatMap(({ changes }) => changes),
    rows: new Map(
      entries.filter(({ row }) => !row.startsWith(COUNTER_PREFIX)).map(({ row, stored: job }) => [row, jobRow(job)]),
    ),
    counters,
  };
}

/** The write was made on the row as it was: nothing there, or the very version that was. */
export const isInTurn = ({ kind, ifMatch }: Pick<RowWrite, "kind" | "ifMatch">, etag: string | undefined): boolean =>
  kind === "insert" ? etag === undefined : etag !== undefined && ifMatch === etag;

const applied = (before: StoredCells | undefined, { kind, cells, etag = "" }: RowWrite): StoredCells => ({
  cells: kind === "merge" ? { ...before?.cells, ...cells } : cells,
  etag,
});

function jobRow({ cells, etag }: StoredCells): JobRow {
  const number = (name: string): number => Number(cells[name] ?? 0);
  const text = (name: string): string => {
    const value = cells[name];
    return typeof value === "string" ? value : "";
  };
  return {
    state: text("state"),
    ring: number("ring"),
    attempts: number("attempts"),
    interruptions: number("interruptions"),
    executions: number("executions"),
    claimId: text("claimId"),
    claimWorker: text("claimWorker"),
    etag,
  };
}

function startsOf({ cells }: RowWrite): WrittenStart[] {
  return Object.entries(cells).flatMap(([name, value]) => {
    if (!/^attempt_\d{3}$/.test(name) || typeof value !== "string") return [];
    const { claimId, outcome } = JSON.parse(value) as { claimId: string; outcome?: string };
    return [{ claimId, outcome }];
  });
}

// --- Counts -----------------------------------------------------------------------------------------------------------

const countsOf = ({ cells }: StoredCells): Counts =>
  Object.fromEntries(STATES.map((state) => [state, Number(cells[state] ?? 0)]));

const combine = (a: Counts, b: Counts, sign: number): Counts =>
  Object.fromEntries(STATES.map((state) => [state, (a[state] ?? 0) + sign * (b[state] ?? 0)]));

export const add = (a: Counts, b: Counts): Counts => combine(a, b, 1);
export const minus = (a: Counts, b: Counts): Counts => combine(a, b, -1);
export const isSame = (a: Counts, b: Counts): boolean => STATES.every((state) => (a[state] ?? 0) === (b[state] ?? 0));
