/** A TimerStore in memory. */
import type { Cells } from "../../../runtime/azure/tables/columns.ts";
import { type RowKeys, type StoredRow, decodePosition, readable } from "../../../runtime/azure/tables/rows.ts";
import {
  AFTER_TIMERS,
  timerCells,
  timerKeys,
  timerOf,
  timerRunCells,
  timerRunKeys,
  timerRunOf,
} from "../../../runtime/azure/tables/timer-store.ts";
import { InvariantError } from "../../../runtime/core/errors.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { Timer } from "../../../runtime/core/timer/timer.ts";
import { MemoryTable, pageOf } from "./memory-table.ts";

export function createMemoryTimers(table = new MemoryTable()): TimerStore {
  async function write<T>(
    keys: RowKeys | undefined,
    cells: Cells,
    etag: string | undefined,
    read: (row: StoredRow) => Stored<T>,
  ) {
    const result = await table.write(keysOf(keys), cells, etag);
    return result.written ? result : { written: false as const, current: result.current && read(result.current) };
  }

  return {
    async get(name) {
      const keys = timerKeys(name);
      const row = keys && (await table.get(keys));
      return row && storedTimer(row);
    },

    write: (timer, etag) => write(timerKeys(timer), timerCells(timer), etag, storedTimer),

    async remove(name, etag) {
      const keys = keysOf(timerKeys(name));
      return { removed: (await table.remove(keys, etag)) || table.peek(keys) === undefined };
    },

    async *all(onUnreadable) {
      for (const row of await table.all()) {
        if (row.rowKey >= AFTER_TIMERS) continue;
        yield* readable({ ...row.cells, etag: row.etag }, storedTimer, onUnreadable);
      }
    },

    ofPackage: async (tenantName, packageName) =>
      (await table.rows({ partitionKey: tenantName, before: AFTER_TIMERS }))
        .filter(({ rowKey }) => rowKey.startsWith(packageName.replace(/zip$/, "")))
        .map(storedTimer)
        .filter(({ value }) => value.packageName === packageName),

    async list(tenantName, { pageSize, continuationToken }) {
      const isOurs = (key: string): boolean => key.includes(".") && key < AFTER_TIMERS;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      return pageOf(await table.rows({ partitionKey: tenantName, after, before: AFTER_TIMERS }), pageSize, timerOf);
    },

    async run(batchId) {
      const keys = timerRunKeys(batchId);
      const row = keys && (await table.get(keys));
      return row && { value: timerRunOf(batchId, row.cells), etag: row.etag };
    },

    writeRun: (run, etag) =>
      write(timerRunKeys(run.batchId), timerRunCells(run), etag, (row) => ({
        value: timerRunOf(run.batchId, row.cells),
        etag: row.etag,
      })),
  };
}

function keysOf(keys: RowKeys | undefined): RowKeys {
  if (keys === undefined) throw new InvariantError("Not a timer name.");
  return keys;
}

const storedTimer = ({ cells, etag }: StoredRow): Stored<Timer> => ({ value: timerOf(cells), etag });
