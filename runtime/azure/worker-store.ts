/**
 * Workers in table `workers`, one partition per pool. Every write is conditional on the version it was made from, a
 * heartbeat too: so no heartbeat can wipe an intent it has not seen, not even one that lands late.
 */
import { odata } from "@azure/data-tables";
import { UnavailableError } from "../core/errors.ts";
import type { BeatResult, WorkerStore } from "../core/ports/worker-store.ts";
import { TABLES } from "../core/topology.ts";
import type { WorkerRecord } from "../core/worker-record.ts";
import type { StorageClients } from "./connect.ts";
import { createIntentWriter } from "./intent-writer.ts";
import { readRow, type StoredRow } from "./read-row.ts";
import { storageError } from "./translate-error.ts";
import { isOfBoot, workerCells, workerKeys, workerOf } from "./worker-entity.ts";
import { putRow } from "./write-once.ts";

/** Each time somebody else has written the row of a worker that is just starting. */
const FIRST_BEAT_TRIES = 8;

export function createWorkerStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): WorkerStore {
  const table = storage.table(TABLES.workers);
  const intentWriter = createIntentWriter(table);

  /** An earlier boot's row is replaced with all that is on it; one of this very boot is a lost answer's, and kept. */
  async function firstBeat(record: WorkerRecord): Promise<BeatResult> {
    const { partitionKey, rowKey } = workerKeys(record);
    let row = await readRow(table, partitionKey, rowKey);
    for (let tries = 0; tries < FIRST_BEAT_TRIES; tries++) {
      if (row !== undefined && isOfBoot(row.cells, record.bootId))
        return { written: false, current: storedWorker(row) };
      const result = await putRow(table, workerKeys(record), workerCells(record), row?.etag, "Replace");
      if (result.written) return result;
      row = result.current;
    }
    throw new UnavailableError("StorageUnavailable", "A worker's row changed each time it was to be replaced.");
  }

  return {
    async beat(record, etag) {
      if (etag === undefined) return firstBeat(record);
      const result = await putRow(table, workerKeys(record), workerCells(record), etag);
      return result.written ? result : { written: false, current: result.current && storedWorker(result.current) };
    },

    async get(pool, workerId) {
      if (!isKey(pool) || !isKey(workerId)) return undefined;
      const row = await readRow(table, pool, workerId);
      return row && workerOf(row.cells);
    },

    async list(pool) {
      const queryOptions = pool === undefined ? {} : { filter: odata`PartitionKey eq ${pool}` };
      const workers: WorkerRecord[] = [];
      try {
        for await (const row of table.retrying.listEntities({ queryOptions })) workers.push(workerOf(row));
      } catch (error) {
        throw storageError(error, "listing workers");
      }
      return workers;
    },

    requestCancel: (pool, workerId, intent) =>
      intentWriter.leave({ pool, workerId }, { cancel: [intent], drain: false }),

    requestDrain: (pool, workerId) => intentWriter.leave({ pool, workerId }, { cancel: [], drain: true }),
  };
}

/** Whether a row can have it as key; a request for one that cannot would be refused instead of answered. */
const isKey = (text: string): boolean => /^[^/\\#?\u0000-\u001f\u007f-\u009f]{1,255}$/.test(text);

const storedWorker = ({ cells, etag }: StoredRow) => ({ value: workerOf(cells), etag });
