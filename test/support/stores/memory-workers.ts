/** A WorkerStore in memory. */
import {
  addedIntentCells,
  type Intents,
  isOfBoot,
  workerCells,
  workerKeys,
  workerOf,
} from "../../../runtime/azure/tables/worker-store.ts";
import type { StoredRow } from "../../../runtime/azure/tables/rows.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { BeatResult, WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import type { WorkerRecord } from "../../../runtime/core/job/worker-record.ts";
import { MemoryTable } from "./memory-table.ts";

export function createMemoryWorkers(table = new MemoryTable()): WorkerStore {
  /** An earlier boot's row is replaced with all that is on it; one of this very boot is a lost answer's, and kept. */
  async function firstBeat(record: WorkerRecord): Promise<BeatResult> {
    const keys = workerKeys(record);
    for (let row = await table.get(keys); ;) {
      if (row !== undefined && isOfBoot(row.cells, record.bootId))
        return { written: false, current: storedWorker(row) };
      const result = await table.write(keys, workerCells(record), row?.etag, { how: "replace" });
      if (result.written) return result;
      row = result.current;
    }
  }

  async function leave(pool: string, workerId: string, intents: Intents): Promise<void> {
    const keys = workerKeys({ pool, workerId });
    const row = await table.get(keys);
    const cells = row && addedIntentCells(row.cells, [intents]);
    // In the same turn as the read, so that no other access comes between.
    if (row !== undefined && cells !== undefined) table.put(keys, { ...row.cells, ...cells });
  }

  return {
    async beat(record, etag) {
      if (etag === undefined) return firstBeat(record);
      const result = await table.write(workerKeys(record), workerCells(record), etag);
      return result.written ? result : { written: false, current: result.current && storedWorker(result.current) };
    },

    async get(pool, workerId) {
      const row = await table.get(workerKeys({ pool, workerId }));
      return row && workerOf(row.cells);
    },

    async list(pool) {
      const rows = pool === undefined ? await table.all() : await table.rows({ partitionKey: pool });
      return rows.map(({ cells }) => workerOf(cells));
    },

    requestCancel: (pool, workerId, intent) => leave(pool, workerId, { cancel: [intent], drain: false }),
    requestDrain: (pool, workerId) => leave(pool, workerId, { cancel: [], drain: true }),
  };
}

const storedWorker = ({ cells, etag }: StoredRow): Stored<WorkerRecord> => ({ value: workerOf(cells), etag });
