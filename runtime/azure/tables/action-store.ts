/**
 * Actions in table `actions`: PartitionKey tenant, RowKey the action's id, which sorts newest first. Partition `~running` has a
 * row for each one that is under way.
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import { instantSchema } from "../../core/instant.ts";
import { ACTION_KINDS, ACTION_STATES, type ActionChanges, type JobAction } from "../../core/job/action.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import { JOB_STATES } from "../../core/job/states.ts";
import type { ActionStore } from "../../core/ports/action-store.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  flag,
  instant,
  json,
  optionalInstant,
  optionalText,
  readCells,
  text,
  word,
  writeCells,
} from "./columns.ts";
import { type RowKeys, decodePosition, encodePosition, putRow, readRow } from "./rows.ts";

export function createActionStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): ActionStore {
  const table = storage.table(TABLES.actions);
  return {
    async start(action) {
      try {
        // This row first: without it nobody would carry the action out.
        await table.retrying.upsertEntity({ ...runningKeys(action.actionId) }, "Replace");
        await table.retrying.upsertEntity({ ...actionKeys(action.actionId), ...actionCells(action) }, "Replace");
      } catch (error) {
        throw storageError(error, "starting an action");
      }
    },
    async get(actionId) {
      if (parseBatchId(actionId) === undefined) return undefined;
      const { partitionKey, rowKey } = actionKeys(actionId);
      const row = await readRow(table, partitionKey, rowKey);
      return row && { value: actionOf(row.cells), etag: row.etag };
    },
    async update(actionId, etag, changes) {
      return (await putRow(table, actionKeys(actionId), changedActionCells(changes), etag)).written;
    },
    async list(tenantName, { pageSize, continuationToken }) {
      const isOurs = (after: string): boolean => parseBatchId(after)?.tenantName === tenantName;
      const after = continuationToken === undefined ? "" : decodePosition(continuationToken, 1, isOurs).after;
      const filter = odata`PartitionKey eq ${tenantName} and RowKey gt ${after}`;
      const items: JobAction[] = [];
      try {
        const pages = table.retrying.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: pageSize });
        for await (const rows of pages) {
          for (const row of rows) {
            items.push(actionOf(row));
            if (items.length < pageSize) continue;
            return { items, continuationToken: encodePosition({ shard: 0, after: row.rowKey ?? "" }) };
          }
        }
      } catch (error) {
        throw storageError(error, "listing actions");
      }
      return { items, continuationToken: undefined };
    },
    async running() {
      const ids: string[] = [];
      try {
        const filter = odata`PartitionKey eq ${RUNNING_PARTITION}`;
        for await (const { rowKey } of table.retrying.listEntities({ queryOptions: { filter } }))
          ids.push(rowKey ?? "");
      } catch (error) {
        throw storageError(error, "listing running actions");
      }
      return ids.toReversed();
    },
    async forgetRunning(actionId) {
      const { partitionKey, rowKey } = runningKeys(actionId);
      try {
        await table.retrying.deleteEntity(partitionKey, rowKey);
      } catch (error) {
        if (!isMissing(error)) throw storageError(error, "ending an action");
      }
    },
  };
}

export const RUNNING_PARTITION = "~running";
export const runningKeys = (actionId: string): RowKeys => ({ partitionKey: RUNNING_PARTITION, rowKey: actionId });

/** Ids have the form of batch ids. Throws InvariantError for another text. */
export function actionKeys(actionId: string): RowKeys {
  const parts = parseBatchId(actionId);
  if (parts === undefined) throw new InvariantError("Not the id of an action.");
  return { partitionKey: parts.tenantName, rowKey: actionId };
}

const oneState = z.enum(JOB_STATES);
/** A release that does not know a field leaves the action to others: without it, more jobs would be meant. */
const filterSchema = z.strictObject({
  // A release that knows only one state cannot read several, and so leaves the action to others.
  state: z.union([oneState, z.array(oneState).readonly()]).optional(),
  delayed: z.literal(true).optional(),
  jobType: z.string().optional(),
  jobProcessorPackageName: z.string().optional(),
  tag: z.string().optional(),
  batchId: z.string().optional(),
  text: z.string().optional(),
  since: instantSchema.optional(),
  until: instantSchema.optional(),
});
const count = z.int().min(0);

const ACTION_COLUMNS: Columns<Omit<JobAction, "actionId" | "tenantName">> = {
  kind: word("kind", ACTION_KINDS),
  filter: json("filter", filterSchema),
  tags: json("tags", z.array(z.string()).readonly()),
  runAt: optionalInstant("runAt"),
  dryRun: flag("dryRun"),
  state: word("state", ACTION_STATES),
  counts: json("counts", z.object({ matched: count, done: count, refused: count, failed: count })),
  position: optionalText("position"),
  cancelWanted: flag("cancelWanted"),
  startedAt: instant("startedAt"),
  startedBy: text("startedBy"),
  endedAt: optionalInstant("endedAt"),
};

export const actionCells = (action: JobAction): Cells => writeCells(ACTION_COLUMNS, action);
export const changedActionCells = (changes: ActionChanges): Cells => writeCells(ACTION_COLUMNS, changes);

/** The action in a row. Throws UnreadableError when the row cannot be read. */
export function actionOf(row: Row): JobAction {
  const actionId = row["rowKey"];
  const parts = typeof actionId === "string" ? parseBatchId(actionId) : undefined;
  if (typeof actionId !== "string" || parts === undefined)
    throw new InvariantError("An action's row has no id as key.");
  return { actionId, tenantName: parts.tenantName, ...readCells("action", ACTION_COLUMNS, row) };
}
