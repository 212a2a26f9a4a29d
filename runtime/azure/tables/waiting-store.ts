/**
 * Notes of batches with jobs that wait without a bell, in table `jobs`: PartitionKey `~waiting`, RowKey
 * `{queue}.{batchId}`. A queue's name has no dot. They are in this table because API and workers write it.
 */
import { odata } from "@azure/data-tables";
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { WaitingNote, WaitingStore } from "../../core/ports/waiting-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, isExisting, isMissing, storageError } from "../translate-error.ts";
import type { Clock } from "../../core/clock.ts";
import { type Cells, type Columns, type Row, instant, readCells, text, writeCells } from "./columns.ts";
import { type RowKeys, type StoredRow, readable } from "./rows.ts";

export interface WaitingStoreDeps {
  readonly storage: Pick<StorageClients, "table">;
  readonly now: Clock["now"];
}

export function createWaitingStore({ storage, now }: WaitingStoreDeps): WaitingStore {
  const { retrying: table } = storage.table(TABLES.jobs);

  /** A merge that changes nothing still makes a new version. */
  async function touch(keys: RowKeys): Promise<boolean> {
    try {
      await table.updateEntity(keys, "Merge", { etag: "*" });
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw storageError(error, "noting a batch");
    }
  }

  return {
    async note(queue, batchId) {
      const keys = waitingKeys(queue, batchId);
      while (!(await touch(keys))) {
        try {
          await table.createEntity({ ...keys, ...waitingCells({ queue, batchId, since: now() }) });
          return;
        } catch (error) {
          if (!isExisting(error)) throw storageError(error, "noting a batch");
        }
      }
    },

    async list(onUnreadable) {
      const notes: Stored<WaitingNote>[] = [];
      const filter = odata`PartitionKey eq ${WAITING_PARTITION}`;
      try {
        for await (const row of table.listEntities({ queryOptions: { filter } })) {
          const read = ({ cells, etag }: StoredRow) => ({ value: waitingNoteOf(cells), etag });
          notes.push(...readable(row, read, onUnreadable));
        }
      } catch (error) {
        throw storageError(error, "reading notes of waiting jobs");
      }
      return notes;
    },

    async remove({ value: { queue, batchId }, etag }) {
      const { partitionKey, rowKey } = waitingKeys(queue, batchId);
      try {
        await table.deleteEntity(partitionKey, rowKey, { etag });
        return true;
      } catch (error) {
        if (isMissing(error) || isConditionFailed(error)) return false;
        throw storageError(error, "removing a note");
      }
    },
  };
}

/** No batch's id has this character. */
export const WAITING_PARTITION = "~waiting";

const COLUMNS: Columns<WaitingNote> = { queue: text("queue"), batchId: text("batchId"), since: instant("since") };

export const waitingKeys = (queue: string, batchId: string): RowKeys => ({
  partitionKey: WAITING_PARTITION,
  rowKey: `${queue}.${batchId}`,
});

export const waitingCells = (note: WaitingNote): Cells => writeCells(COLUMNS, note);

/** Throws UnreadableError when the row cannot be read. */
export const waitingNoteOf = (row: Row): WaitingNote => readCells("waitingNote", COLUMNS, row);
