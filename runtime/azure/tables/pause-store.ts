/**
 * Pauses in table `settings`: PartitionKey `~paused`, RowKey the subject's key (core/admission/pause.ts). They are not in
 * table `tenants`, because workers read them and must not read who may call the API.
 */
import { odata } from "@azure/data-tables";
import * as z from "zod";
import type { Pause, PausedSubject } from "../../core/admission/pause.ts";
import { pauseKey } from "../../core/admission/pause.ts";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { StorageClients } from "../connect.ts";
import { isMissing, storageError } from "../translate-error.ts";
import {
  type Cells,
  type Columns,
  type Row,
  instant,
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
      const pauses: Pause[] = [];
      const filter = odata`PartitionKey eq ${PAUSED_PARTITION}`;
      try {
        for await (const row of table.listEntities({ queryOptions: { filter } })) {
          pauses.push(...readable(row, ({ cells }) => pauseOf(cells), onUnreadable));
        }
      } catch (error) {
        throw storageError(error, "reading pauses");
      }
      return pauses;
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

/** Throws UnreadableError when the row cannot be read. */
export const pauseOf = (row: Row): Pause => readCells("pause", COLUMNS, row);
