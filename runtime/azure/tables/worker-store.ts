/**
 * Workers in table `workers`. PartitionKey is the pool, RowKey the worker id. The worker writes its row with each heartbeat;
 * others only add intents. Every write is conditional on the version it was made from, so no heartbeat can overwrite an
 * intent it has not seen, not even one that lands late.
 *
 * | property                                          | holds                                                           |
 * |---------------------------------------------------|-----------------------------------------------------------------|
 * | bootId, startedAt, heartbeatAt, state, slots,     | what the worker reports                                         |
 * | version                                           |                                                                 |
 * | claims_0, claims_1 …                              | ids of the claims it holds, some 800 in each, as JSON           |
 * | cancel_0, cancel_1 …                              | jobs to be canceled, some 200 in each, as JSON                  |
 * | drain                                             | whether it is to drain and stop                                 |
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
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, type StoredRow, putRow, readRow } from "./rows.ts";
import { sleep } from "../../core/sleep.ts";

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

/** Whether a row can have it as key; a request for one that cannot would be refused instead of answered. */
const isKey = (text: string): boolean => /^[^/\\#?\u0000-\u001f\u007f-\u009f]{1,255}$/.test(text);

const storedWorker = ({ cells, etag }: StoredRow) => ({ value: workerOf(cells), etag });

// --- Rows ------------------------------------------------------------------------------------------------------------

/**
 * Intents on one row; later ones are not kept. Nothing is lost with them: a job's own row says that it is to be
 * canceled, its worker only learns it later.
 */
const CANCEL_INTENTS_MAX = 1_000;

const intentSchema: z.ZodType<CancelIntent> = z.object({ jobId: z.string(), claimId: z.string() });

/** What the keys say is not stored twice. */
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
};

export const workerKeys = ({ pool, workerId }: Pick<WorkerRecord, "pool" | "workerId">): RowKeys => ({
  partitionKey: pool,
  rowKey: workerId,
});

export const workerCells = (record: WorkerRecord): Cells => writeCells<StoredWorker>(WORKER_COLUMNS, record);

/** Whether a row was written by this very run of the process. */
export const isOfBoot = (row: Row, bootId: string): boolean => row["bootId"] === bootId;

/** The worker in a row. Throws UnreadableError when the row cannot be read. */
export function workerOf(row: Row): WorkerRecord {
  const { partitionKey: pool, rowKey: workerId } = row;
  if (typeof pool !== "string" || typeof workerId !== "string") {
    throw new InvariantError("A worker's row was read without its keys.");
  }
  return { pool, workerId, ...readCells<StoredWorker>("worker", WORKER_COLUMNS, row) };
}

/** What others want of a worker. */
export interface Intents {
  readonly cancel: readonly CancelIntent[];
  readonly drain: boolean;
}

const INTENT_COLUMNS: Columns<Intents> = { cancel: WORKER_COLUMNS.cancel, drain: WORKER_COLUMNS.drain };

/** The cells of a merge that adds intents to a row; undefined when all of them are there already. */
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

// --- Intents ---------------------------------------------------------------------------------------------------------

type WorkerName = Pick<WorkerRecord, "pool" | "workerId">;

interface IntentWriter {
  /** Resolves when the worker's row has it, or when there is no such row. Throws UnavailableError. */
  leave(worker: WorkerName, intents: Intents): Promise<void>;
}

/** Each time somebody else has written the row; a worker does so every five seconds. */
const TRIES = 12;
/** After the nth failed try n times this long: some processes may be at it. */
const PAUSE_MS = 10;

/** Intents that leave together, once those before them have left. */
interface Group {
  readonly intents: Intents[];
  readonly left: Promise<void>;
}

/**
 * Adds intents to a worker's row: reads it, adds what is missing, writes on the version read, and starts again after a
 * conflict with the heartbeat or another process. Intents for one worker that come during a write wait for it and are
 * written together: canceling a batch may add a thousand.
 */
function createIntentWriter(table: TableAccess): IntentWriter {
  /** By row: the group that still takes intents, and the one to leave last. */
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
