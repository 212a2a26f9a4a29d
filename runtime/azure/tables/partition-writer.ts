/**
 * Group commit: all writes to one partition that wait at the same moment leave as one transaction, with the writer's
 * counter in it. One transaction is in flight at a time; nothing waits on a clock for company.
 *
 * | state      | meaning                                      | leaves by                                          |
 * |------------|----------------------------------------------|----------------------------------------------------|
 * | idle       | nothing waits                                | a write → scheduled                                |
 * | scheduled  | writes of this turn of the event loop gather | the turn's end → committing                        |
 * | committing | a transaction is in flight, others wait      | its outcome: the next group → committing, or idle  |
 *
 * | outcome of a transaction | what follows                                                                         |
 * |--------------------------|--------------------------------------------------------------------------------------|
 * | landed                   | every row is written                                                                 |
 * | refused                  | nothing was written. The counter had moved: again with the true one. Else some row   |
 * |                          | does not fit and fails innocents with it: halves, down to the single rows at fault   |
 * | unknown (no answer)      | rows are read: a changed one is reported as it is now, an untouched one tried again  |
 *
 * Trying an untouched row again is safe even if the unanswered transaction lands late: both are conditional on the same
 * ETag, so one of them is refused (writer-counter.ts says why the counter stays exact).
 */
import type { TransactionAction } from "@azure/data-tables";
import { JOB_STATES, NO_COUNTS, type StateCounts, addCounts } from "../../core/job/states.ts";
import type { TableAccess } from "../connect.ts";
import { isConditionFailed, isRefused, storageError } from "../translate-error.ts";
import type { Cells } from "./columns.ts";
import { type RowResult, type StoredRow, readRow } from "./rows.ts";
import { createWriterCounter } from "./writer-counter.ts";
import { sleep } from "../../core/sleep.ts";

export interface RowWrite {
  readonly rowKey: string;
  readonly cells: Cells;
  /** The row must still have it; undefined: there must be no row yet. */
  readonly etag: string | undefined;
  /** What the write adds to the counter. */
  readonly change: StateCounts;
}

interface PartitionWriter {
  /** Throws UnavailableError when storage cannot even be read. */
  write(write: RowWrite): Promise<RowResult>;
  readonly idle: boolean;
}

interface Pending {
  readonly write: RowWrite;
  readonly bytes: number;
  resolve(result: RowResult): void;
  reject(error: unknown): void;
}

type Outcome =
  /** The results in the order of the group. */
  | { readonly kind: "landed"; readonly results: readonly RowResult[] }
  | { readonly kind: "refused" | "unknown"; readonly error: unknown };

/** A transaction takes 100 operations and 4 MiB; one operation is the counter's. */
const GROUP_MAX_ROWS = 99;
const GROUP_MAX_BYTES = 4 * 1024 * 1024;
/** Request line, headers and the keys in the address of one operation. */
const ROW_OVERHEAD_BYTES = 1_500;
/** Waits before a group whose fate was unknown is tried again. After the last, callers decide. */
const RETRY_PAUSES_MS = [50, 250] as const;
const TRIES = RETRY_PAUSES_MS.length + 1;

const changesCounts = ({ change }: RowWrite): boolean => JOB_STATES.some((state) => change[state] !== 0);

function createPartitionWriter(table: TableAccess, partition: string, writerId: string): PartitionWriter {
  const counter = createWriterCounter(table, partition, writerId);
  let waiting: Pending[] = [];
  let busy = false;

  /** The longest waiting writes that fit into one transaction. A row occurs once; its next write waits, and order holds. */
  function takeGroup(): Pending[] {
    const group: Pending[] = [];
    const rest: Pending[] = [];
    const rowKeys = new Set<string>();
    let bytes = 0;
    for (const [index, pending] of waiting.entries()) {
      if (group.length === GROUP_MAX_ROWS) {
        rest.push(...waiting.slice(index));
        break;
      }
      const fits = group.length === 0 || bytes + pending.bytes <= GROUP_MAX_BYTES;
      if (fits && !rowKeys.has(pending.write.rowKey)) {
        group.push(pending);
        bytes += pending.bytes;
      } else {
        rest.push(pending);
      }
      rowKeys.add(pending.write.rowKey);
    }
    waiting = rest;
    return group;
  }

  const read = ({ write }: Pending): Promise<StoredRow | undefined> => readRow(table, partition, write.rowKey);

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const group = takeGroup();
      try {
        await commit(group, TRIES);
      } catch (error) {
        // Settled ones among them stay as they are.
        for (const pending of group) pending.reject(error);
      }
    }
    busy = false;
  }

  async function commit(group: readonly Pending[], tries: number): Promise<void> {
    const counted = group.some(({ write }) => changesCounts(write));
    const outcome = await submit(group, counted);
    switch (outcome.kind) {
      case "landed":
        outcome.results.forEach((result, index) => group[index]?.resolve(result));
        return;
      case "refused":
        return afterRefusal(group, tries, counted && (await counter.reread()), outcome.error);
      case "unknown":
        if (counted) counter.forget();
        return afterSilence(group, tries - 1);
    }
  }

  async function submit(group: readonly Pending[], counted: boolean): Promise<Outcome> {
    const actions = group.map(({ write }) => actionOf(partition, write));
    const counting = counted
      ? await counter.add(group.map(({ write }) => write.change).reduce(addCounts, NO_COUNTS))
      : undefined;
    if (counting !== undefined) actions.push(counting.action);
    try {
      const { subResponses } = await table.once.submitTransaction(actions);
      const etags = subResponses.flatMap(({ etag }) => (etag === undefined ? [] : [etag]));
      // An answer that does not say what became of every operation is none.
      if (etags.length !== actions.length) return { kind: "unknown", error: undefined };
      counting?.landed(etags.at(-1));
      return { kind: "landed", results: etags.slice(0, group.length).map((etag) => ({ written: true, etag })) };
    } catch (error) {
      return { kind: isRefused(error) ? "refused" : "unknown", error };
    }
  }

  async function afterRefusal(
    group: readonly Pending[],
    tries: number,
    counterMoved: boolean,
    error: unknown,
  ): Promise<void> {
    if (counterMoved && tries > 1) return commit(group, tries - 1);
    const [single] = group;
    if (single !== undefined && group.length === 1) {
      // Neither key nor ETag was the reason: the row itself is unacceptable, and no second look would change that.
      if (isConditionFailed(error)) single.resolve({ written: false, current: await read(single) });
      else single.reject(storageError(error, "writing a row"));
      return;
    }
    const middle = Math.ceil(group.length / 2);
    for (const half of [group.slice(0, middle), group.slice(middle)]) await commit(half, tries);
  }

  async function afterSilence(group: readonly Pending[], triesLeft: number): Promise<void> {
    const rows = await Promise.all(group.map(read));
    const again: Pending[] = [];
    group.forEach((pending, index) => {
      const current = rows[index];
      if (triesLeft > 0 && current?.etag === pending.write.etag) again.push(pending);
      else pending.resolve({ written: false, current });
    });
    if (again.length === 0) return;
    await sleep(RETRY_PAUSES_MS[TRIES - 1 - triesLeft] ?? 0);
    await commit(again, triesLeft);
  }

  return {
    write: (write) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.byteLength(JSON.stringify(write.cells)) + ROW_OVERHEAD_BYTES;
        waiting.push({ write, bytes, resolve, reject });
        if (busy) return;
        busy = true;
        setImmediate(() => void drain());
      }),
    get idle() {
      return !busy;
    },
  };
}

function actionOf(partitionKey: string, { rowKey, cells, etag }: RowWrite): TransactionAction {
  const entity = { partitionKey, rowKey, ...cells };
  return etag === undefined ? ["create", entity] : ["update", entity, "Merge", { etag }];
}

// --- The writers of a process ----------------------------------------------------------------------------------------

interface PartitionWriters {
  of(partition: string): PartitionWriter;
}

/** A few hundred bytes each. A forgotten one costs a refused transaction and a read at its next use. */
const KEPT_WRITERS = 5_000;

/** One writer per partition. The least recently used idle ones are forgotten. */
export function createPartitionWriters(table: TableAccess, writerId: string, kept = KEPT_WRITERS): PartitionWriters {
  /** Least recently used first. */
  const writers = new Map<string, PartitionWriter>();

  function forgetIdle(): void {
    for (const [partition, writer] of writers) {
      if (writers.size <= kept) return;
      // A busy one stays: two writers at once would refuse each other's counter.
      if (writer.idle) writers.delete(partition);
    }
  }

  return {
    of(partition) {
      const writer = writers.get(partition) ?? createPartitionWriter(table, partition, writerId);
      writers.delete(partition);
      writers.set(partition, writer);
      forgetIdle();
      return writer;
    },
  };
}
