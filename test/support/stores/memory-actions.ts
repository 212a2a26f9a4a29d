/** An ActionStore in memory. */
import {
  actionCells,
  actionKeys,
  actionOf,
  changedActionCells,
  runningKeys,
} from "../../../runtime/azure/tables/action-store.ts";
import { decodePosition } from "../../../runtime/azure/tables/rows.ts";
import { parseBatchId } from "../../../runtime/core/job/ids.ts";
import type { ActionStore } from "../../../runtime/core/ports/action-store.ts";
import { MemoryTable, pageOf } from "./memory-table.ts";

export function createMemoryActions(table = new MemoryTable()): ActionStore {
  return {
    async start(action) {
      await table.turn();
      table.put(runningKeys(action.actionId), {});
      table.put(actionKeys(action.actionId), actionCells(action));
    },
    async get(actionId) {
      const row = parseBatchId(actionId) && (await table.get(actionKeys(actionId)));
      return row && { value: actionOf(row.cells), etag: row.etag };
    },
    async update(actionId, etag, changes) {
      return (await table.write(actionKeys(actionId), changedActionCells(changes), etag)).written;
    },
    async list(tenantName, { pageSize, continuationToken }) {
      const isOurs = (after: string): boolean => parseBatchId(after)?.tenantName === tenantName;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      return pageOf(await table.rows({ partitionKey: tenantName, after }), pageSize, actionOf);
    },
    async running() {
      const { partitionKey } = runningKeys("");
      return (await table.rows({ partitionKey })).map(({ rowKey }) => rowKey).toReversed();
    },
    async forgetRunning(actionId) {
      await table.remove(runningKeys(actionId));
    },
  };
}
