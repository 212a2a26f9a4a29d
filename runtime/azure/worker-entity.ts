/**
 * The row of a worker in table `workers`: PartitionKey is the pool, RowKey the worker id. The worker writes it anew
 * with each heartbeat; others only add intents.
 *
 * | property                                          | holds                                                           |
 * |---------------------------------------------------|-----------------------------------------------------------------|
 * | bootId, startedAt, heartbeatAt, state, slots,     | what the worker says of itself                                  |
 * | version                                           |                                                                 |
 * | claims_0, claims_1 …                              | ids of the claims it holds, some 800 in each, as JSON           |
 * | cancel_0, cancel_1 …                              | jobs to be canceled, some 200 in each, as JSON                  |
 * | drain                                             | whether it is to drain and stop                                 |
 */
import * as z from "zod";
import { InvariantError } from "../core/errors.ts";
import { type CancelIntent, WORKER_STATES, type WorkerRecord } from "../core/worker-record.ts";
import {
  type Cells,
  type Columns,
  flag,
  instant,
  integer,
  readCells,
  type Row,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { listColumn } from "./list-column.ts";
import type { RowKeys } from "./write-once.ts";

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
