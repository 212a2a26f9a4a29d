/**
 * Group commit: all writes to one partition that wait at the same moment are sent as one transaction, together with the
 * writer's counter. One transaction is in flight at a time. No write is delayed to wait for others.
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
 * | refused                  | nothing was written. If the counter had changed: again with its current value. Else  |
 * |                          | a row was refused: the group is halved, down to the refused rows                     |
 * | unknown (no answer)      | rows are read: a changed row is reported, an unchanged row is tried again            |
 *
 * Trying an unchanged row again is safe even if the unanswered transaction lands late: both are conditional on the same
 * ETag, so one of them is refused. writer-counter.ts explains why the counter stays exact.
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
  /** The row must still have this ETag. Undefined: there must be no row yet. */
  readonly etag: string | undefined;
  /** The write adds this to the counter. */
  readonly change: StateCounts;
}

interface PartitionWriter {
  /** Throws UnavailableError if the row can be neither written nor read. */
  write(write: RowWrite): Promise<RowResult>;
  readonly idle: boolean;
}

interface PartitionWriters {
  of(partition: string): PartitionWriter;
}

/** A writer needs a few hundred bytes. A forgotten one costs a refused transaction and a read at its next use. */
const KEPT_WRITERS = 5_000;

/** The writers of a process, one per partition. The least recently used idle ones are forgotten. */
export function createPartitionWriters(table: TableAccess, writerId: string, kept = KEPT_WRITERS): PartitionWriters {
  /** Least recently used first. */
  const writers = new Map<string, PartitionWriter>();

  function forgetIdle(): void {
    for (const [partition, writer] of writers) {
      if (writers.size <= kept) return;
      // A busy writer stays, because two writers of a partition would conflict on the counter.
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

/** A transaction has at most 100 operations and 4 MiB. One operation is the counter's. */
const GROUP_MAX_ROWS = 99;
const GROUP_MAX_BYTES = 4 * 1024 * 1024;
/** Request line, headers and keys of one operation. */
const ROW_OVERHEAD_BYTES = 1_500;
/** Pauses before a group with an unknown outcome is tried again. After the last try the callers decide. */
const RETRY_PAUSES_MS = [50, 250] as const;
const TRIES = RETRY_PAUSES_MS.length + 1;

const changesCounts = ({ change }: RowWrite): boolean => JOB_STATES.some((state) => change[state] !== 0);

function createPartitionWriter(table: TableAccess, partition: string, writerId: string): PartitionWriter {
  const counter = createWriterCounter(table, partition, writerId);
  let waiting: Pending[] = [];
  let busy = false;

  /**
   * The longest waiting writes that fit into one transaction. Each row occurs once, so that its writes stay in order.
   */
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
        // This does not change writes that are already resolved.
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
    // R53. One that is requeued in the same transaction as another one fails takes nothing from the failures.
    const failures = group.filter(({ write }) => write.change.failed > 0).length;
    const counting = counted
      ? await counter.add(group.map(({ write }) => write.change).reduce(addCounts, NO_COUNTS), failures)
      : undefined;
    if (counting !== undefined) actions.push(counting.action);
    try {
      const { subResponses } = await table.once.submitTransaction(actions);
      const etags = subResponses.flatMap(({ etag }) => (etag === undefined ? [] : [etag]));
      // Without the result of every operation the outcome is unknown.
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
      // If neither key nor ETag was the reason, the row itself is not acceptable, and a repeat would be refused too.
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
