/**
 * Leaves intents on workers' rows: reads the row, adds what is missing, writes on the version read, and starts again
 * when the worker's heartbeat or another process came in between. What this process wants of one worker while a write
 * is under way waits for it and then leaves together: canceling a batch may want a thousand things at once.
 */
import { setTimeout as pause } from "node:timers/promises";
import { UnavailableError } from "../core/errors.ts";
import type { WorkerRecord } from "../core/worker-record.ts";
import type { TableAccess } from "./connect.ts";
import { readRow } from "./read-row.ts";
import { addedIntentCells, type Intents, workerKeys } from "./worker-entity.ts";
import { putRow } from "./write-once.ts";

type WorkerName = Pick<WorkerRecord, "pool" | "workerId">;

export interface IntentWriter {
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

export function createIntentWriter(table: TableAccess): IntentWriter {
  /** By row: the group that still takes intents, and the one to leave last. */
  const gathering = new Map<string, Group>();
  const last = new Map<string, Promise<void>>();

  async function write(worker: WorkerName, intents: readonly Intents[]): Promise<void> {
    const keys = workerKeys(worker);
    for (let tries = 0; tries < TRIES; tries++) {
      await pause(tries * PAUSE_MS);
      const row = await readRow(table, keys.partitionKey, keys.rowKey);
      const cells = row && addedIntentCells(row.cells, intents);
      if (row === undefined || cells === undefined) return;
      const result = await putRow(table, keys, cells, row.etag);
      if (result.written) return;
    }
    throw new UnavailableError("StorageUnavailable", "A worker's row changed each time an intent was left on it.");
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
