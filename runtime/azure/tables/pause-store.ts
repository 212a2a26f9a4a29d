/**
 * Pauses in table `settings`: PartitionKey `~paused`, RowKey the subject's key (core/admission/pause.ts). Beside them the limits
 * of jobs that a tenant runs at once, so that one query finds all that holds jobs back: RowKey `limit.{tenant}`. They are not in
 * table `tenants`, because workers read them and must not read who may call the API.
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import type { RunningLimit } from "../../core/admission/limit.ts";
import type { Holds, Pause, PausedSubject } from "../../core/admission/pause.ts";
import { pauseKey } from "../../core/admission/pause.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { OnUnreadable } from "../../core/ports/stored.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  instant,
  integer,
  json,
  optionalText,
  readCells,
  text,
  writeCells,
} from "./columns.ts";
import { type RowKeys, readable } from "./rows.ts";

export function createPauseStore({ storage }: { readonly storage: Pick<StorageClients, "table"> }): PauseStore {
  const { retrying: table } = storage.table(TABLES.settings);
  return {
    async list(onUnreadable) {
      const rows: HoldRow[] = [];
      const filter = odata`PartitionKey eq ${PAUSED_PARTITION}`;
      try {
        for await (const row of table.listEntities({ queryOptions: { filter } })) rows.push(row);
      } catch (error) {
        throw storageError(error, "reading pauses");
      }
      return holdsOf(rows, onUnreadable);
    },

    async put(pause) {
      try {
        await table.upsertEntity({ ...pauseKeys(pause.subject), ...pauseCells(pause) }, "Merge");
      } catch (error) {
        throw storageError(error, "writing a pause");
      }
    },

    async remove(subject) {
      const { partitionKey, rowKey } = pauseKeys(subject);
      try {
        await table.deleteEntity(partitionKey, rowKey);
        return true;
      } catch (error) {
        if (isMissing(error)) return false;
        throw storageError(error, "removing a pause");
      }
    },

    async putRunningLimit(limit) {
      try {
        await table.upsertEntity({ ...runningLimitKeys(limit), ...runningLimitCells(limit) }, "Merge");
      } catch (error) {
        throw storageError(error, "writing a limit");
      }
    },

    async removeRunningLimit(tenantName) {
      const { partitionKey, rowKey } = runningLimitKeys({ tenantName });
      try {
        await table.deleteEntity(partitionKey, rowKey);
      } catch (error) {
        if (!isMissing(error)) throw storageError(error, "removing a limit");
      }
    },
  };
}

/** No tenant's name has this character. */
export const PAUSED_PARTITION = "~paused";

const subjectSchema: z.ZodType<PausedSubject> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("tenant"), tenantName: z.string() }),
  z.object({ kind: z.literal("erasure"), tenantName: z.string() }),
  z.object({ kind: z.literal("type"), tenantName: z.string(), jobType: z.string() }),
  z.object({ kind: z.literal("pool"), pool: z.string() }),
  z.object({ kind: z.literal("queue"), pool: z.string(), priority: z.enum(PRIORITIES) }),
]);

const COLUMNS: Columns<Pause> = {
  subject: json("subject", subjectSchema),
  pausedAt: instant("pausedAt"),
  pausedBy: text("pausedBy"),
  reason: optionalText("reason"),
};

export const pauseKeys = (subject: PausedSubject): RowKeys => ({
  partitionKey: PAUSED_PARTITION,
  rowKey: pauseKey(subject),
});

export const pauseCells = (pause: Pause): Cells => writeCells(COLUMNS, pause);

const LIMIT_PREFIX = "limit.";
const LIMIT_COLUMNS: Columns<Omit<RunningLimit, "tenantName">> = {
  max: integer("max"),
  setAt: instant("setAt"),
  setBy: text("setBy"),
};

export const runningLimitKeys = ({ tenantName }: Pick<RunningLimit, "tenantName">): RowKeys => ({
  partitionKey: PAUSED_PARTITION,
  rowKey: LIMIT_PREFIX + tenantName,
});

export const runningLimitCells = (limit: RunningLimit): Cells => writeCells(LIMIT_COLUMNS, limit);

type HoldRow = Row & { readonly etag?: string };

/** What the rows of the partition say. */
export function holdsOf(rows: readonly HoldRow[], onUnreadable: OnUnreadable | undefined): Holds {
  const isLimit = ({ rowKey }: Row): boolean => String(rowKey).startsWith(LIMIT_PREFIX);
  return {
    pauses: rows
      .filter((row) => !isLimit(row))
      .flatMap((row) => readable(row, ({ cells }) => pauseOf(cells), onUnreadable)),
    runningLimits: rows
      .filter(isLimit)
      .flatMap((row) => readable(row, ({ cells }) => runningLimitOf(cells), onUnreadable)),
  };
}

/** Throws UnreadableError when the row cannot be read. */
export const runningLimitOf = (row: Row): RunningLimit => ({
  tenantName: String(row["rowKey"]).slice(LIMIT_PREFIX.length),
  ...readCells("runningLimit", LIMIT_COLUMNS, row),
});

/** Throws UnreadableError when the row cannot be read. */
export const pauseOf = (row: Row): Pause => readCells("pause", COLUMNS, row);
