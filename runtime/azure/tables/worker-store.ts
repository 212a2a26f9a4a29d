/**
 * Workers in table `workers`. PartitionKey is the pool, RowKey the worker id. The worker writes its row with each
 * heartbeat. Other processes only add intents. Every write is conditional on the version that it was made from, so a
 * heartbeat, even a late one, cannot overwrite an intent that it has not seen.
 *
 * | property                                          | holds                                                           |
 * |---------------------------------------------------|-----------------------------------------------------------------|
 * | bootId, startedAt, heartbeatAt, state, slots,     | the report of the worker                                        |
 * | version, isProtected                              |                                                                 |
 * | claims_0, claims_1 …                              | ids of the claims it holds, about 800 in each, as JSON          |
 * | cancel_0, cancel_1 …                              | jobs to be canceled, about 200 in each, as JSON                 |
 * | drain                                             | whether it should drain and stop                                |
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError, UnavailableError } from "../../core/errors.ts";
import { type CancelIntent, WORKER_STATES, type WorkerRecord } from "../../core/job/worker-record.ts";
import type { BeatResult, WorkerStore } from "../../core/ports/worker-store.ts";
import type { StorageClients, TableAccess } from "../connect.ts";
import { storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  flag,
  instant,
  integer,
  listColumn,
  optional,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, type StoredRow, putRow, readRow } from "./rows.ts";
import { sleep } from "../../core/sleep.ts";

/** Each failed try means that another process has written the row of a worker that is just starting. */
const FIRST_BEAT_TRIES = 8;

export function createWorkerStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): WorkerStore {
  const table = storage.table(TABLES.workers);
  const intentWriter = createIntentWriter(table);

  /**
   * Replaces the row of an earlier boot. Keeps a row of this boot: an earlier try wrote it, and its answer was lost.
   */
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
    throw new UnavailableError(
      "StorageUnavailable",
      "A worker's row changed during every attempt to replace it. Retry later.",
    );
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

/** Whether a row can have this key. The service refuses requests with an invalid key. */
const isKey = (text: string): boolean => /^[^/\\#?\u0000-\u001f\u007f-\u009f]{1,255}$/.test(text);

const storedWorker = ({ cells, etag }: StoredRow) => ({ value: workerOf(cells), etag });

/**
 * Intents on one row. Further intents are dropped. A job's own row also records the cancel request, so its worker only
 * sees it later.
 */
const CANCEL_INTENTS_MAX = 1_000;

const intentSchema: z.ZodType<CancelIntent> = z.object({ jobId: z.string(), claimId: z.string() });

/** Pool and worker id are stored in the keys only. */
type StoredWorker = Omit<WorkerRecord, "pool" | "workerId">;

const WORKER_COLUMNS: Columns<StoredWorker> = {
  bootId: text("bootId"),
  startedAt: instant("startedAt"),
  heartbeatAt: instant("heartbeatAt"),
  state: word("state", WORKER_STATES),
  slots: integer("slots"),
  version: text("version"),
  claims: listColumn("claims", z.string()),
  cancel: listColumn("cancel", intentSchema),
  drain: flag("drain"),
  isProtected: optional("isProtected", flag("isProtected")),
};

export const workerKeys = ({ pool, workerId }: Pick<WorkerRecord, "pool" | "workerId">): RowKeys => ({
  partitionKey: pool,
  rowKey: workerId,
});

export const workerCells = (record: WorkerRecord): Cells => writeCells<StoredWorker>(WORKER_COLUMNS, record);

/** Whether this run of the process has written the row. */
export const isOfBoot = (row: Row, bootId: string): boolean => row["bootId"] === bootId;

/** The worker in a row. Throws UnreadableError when the row cannot be read. */
export function workerOf(row: Row): WorkerRecord {
  const { partitionKey: pool, rowKey: workerId } = row;
  if (typeof pool !== "string" || typeof workerId !== "string") {
    throw new InvariantError("A worker's row was read without its keys.");
  }
  return { pool, workerId, ...readCells<StoredWorker>("worker", WORKER_COLUMNS, row) };
}

/** Requests of other processes to a worker. */
export interface Intents {
  readonly cancel: readonly CancelIntent[];
  readonly drain: boolean;
}

const INTENT_COLUMNS: Columns<Intents> = { cancel: WORKER_COLUMNS.cancel, drain: WORKER_COLUMNS.drain };

/** The cells of a merge that adds intents to a row; undefined if the row already has all of them. */
export function addedIntentCells(row: Row, wanted: readonly Intents[]): Cells | undefined {
  const stored = readCells<Intents>("worker", INTENT_COLUMNS, row);
  const cancel = [...stored.cancel];
  for (const intent of wanted.flatMap((each) => each.cancel)) {
    const isKnown = cancel.some(({ jobId, claimId }) => jobId === intent.jobId && claimId === intent.claimId);
    if (!isKnown && cancel.length < CANCEL_INTENTS_MAX) cancel.push(intent);
  }
  const drain = stored.drain || wanted.some((each) => each.drain);
  if (cancel.length === stored.cancel.length && drain === stored.drain) return undefined;
  return writeCells<Intents>(INTENT_COLUMNS, { cancel, drain });
}

type WorkerName = Pick<WorkerRecord, "pool" | "workerId">;

interface IntentWriter {
  /** Resolves when the worker's row contains the intents, or if there is no such row. Throws UnavailableError. */
  leave(worker: WorkerName, intents: Intents): Promise<void>;
}

/** Each failed try means that another process has written the row. The worker writes it every five seconds. */
const TRIES = 12;
/** The pause after the nth failed try is n times this. */
const PAUSE_MS = 10;

/** Intents that are written together, after the write before them has ended. */
interface Group {
  readonly intents: Intents[];
  readonly left: Promise<void>;
}

/**
 * Adds intents to a worker's row. It reads the row, adds the missing intents, and writes with the ETag of the read.
 * After a conflict it starts again. Intents for one worker that arrive during a write wait and are then written
 * together, because canceling a batch can add a thousand.
 */
function createIntentWriter(table: TableAccess): IntentWriter {
  /** By row: the group that still accepts intents, and the latest write. */
  const gathering = new Map<string, Group>();
  const last = new Map<string, Promise<void>>();

  async function write(worker: WorkerName, intents: readonly Intents[]): Promise<void> {
    const keys = workerKeys(worker);
    for (let tries = 0; tries < TRIES; tries++) {
      await sleep(tries * PAUSE_MS);
      const row = await readRow(table, keys.partitionKey, keys.rowKey);
      const cells = row && addedIntentCells(row.cells, intents);
      if (row === undefined || cells === undefined) return;
      const result = await putRow(table, keys, cells, row.etag);
      if (result.written) return;
    }
    throw new UnavailableError(
      "StorageUnavailable",
      "A worker's row changed during every attempt to add an intent. Retry later.",
    );
  }

  return {
    leave(worker, intents) {
      const key = `${worker.pool}/${worker.workerId}`;
      const open = gathering.get(key);
      if (open !== undefined) {
        open.intents.push(intents);
        return open.left;
      }
      const group = [intents];
      const leaveTogether = (): Promise<void> => {
        gathering.delete(key);
        return write(worker, group);
      };
      const left = (last.get(key) ?? Promise.resolve()).then(leaveTogether, leaveTogether);
      gathering.set(key, { intents: group, left });
      last.set(key, left);
      const forget = (): void => {
        if (last.get(key) === left) last.delete(key);
      };
      left.then(forget, forget);
      return left;
    },
  };
}
