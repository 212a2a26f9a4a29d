/** A PauseStore and a WaitingStore in memory. */
import {
  PAUSED_PARTITION,
  holdsOf,
  pauseCells,
  pauseKeys,
  runningLimitCells,
  runningLimitKeys,
} from "../../../runtime/azure/tables/pause-store.ts";
import { readable } from "../../../runtime/azure/tables/rows.ts";
import {
  WAITING_PARTITION,
  waitingCells,
  waitingKeys,
  waitingNoteOf,
} from "../../../runtime/azure/tables/waiting-store.ts";
import type { PauseStore } from "../../../runtime/core/ports/pause-store.ts";
import type { WaitingStore } from "../../../runtime/core/ports/waiting-store.ts";
import { MemoryTable } from "./memory-table.ts";

export function createMemoryPauses(table = new MemoryTable()): PauseStore {
  return {
    list: async (onUnreadable) =>
      holdsOf(
        (await table.rows({ partitionKey: PAUSED_PARTITION })).map(({ cells, etag }) => ({ ...cells, etag })),
        onUnreadable,
      ),
    async put(pause) {
      await table.turn();
      const keys = pauseKeys(pause.subject);
      table.put(keys, { ...table.peek(keys)?.cells, ...pauseCells(pause) });
    },
    remove: (subject) => table.remove(pauseKeys(subject)),
    async putRunningLimit(limit) {
      await table.turn();
      table.put(runningLimitKeys(limit), runningLimitCells(limit));
    },
    async removeRunningLimit(tenantName) {
      await table.remove(runningLimitKeys({ tenantName }));
    },
  };
}

export function createMemoryWaiting(table = new MemoryTable()): WaitingStore {
  return {
    async note(queue, batchId) {
      await table.turn();
      const keys = waitingKeys(queue, batchId);
      table.put(keys, table.peek(keys)?.cells ?? waitingCells({ queue, batchId, since: new Date() }));
    },
    list: async (onUnreadable) =>
      (await table.rows({ partitionKey: WAITING_PARTITION })).flatMap((row) =>
        readable(
          { ...row.cells, etag: row.etag },
          ({ cells, etag }) => ({ value: waitingNoteOf(cells), etag }),
          onUnreadable,
        ),
      ),
    remove: ({ value: { queue, batchId }, etag }) => table.remove(waitingKeys(queue, batchId), etag),
  };
}
