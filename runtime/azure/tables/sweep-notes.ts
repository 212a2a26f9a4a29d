/** The last round of the sweeper in table `settings`: PartitionKey `~sweeper`, RowKey `last`. */
import { TABLES } from "../../core/deployment/storage-layout.ts";
import type { SweepNote, SweepNotes } from "../../core/ports/sweep-notes.ts";
import type { StorageClients } from "../connect.ts";
import { storageError } from "../translate-error.ts";
import { type Cells, type Columns, type Row, instant, readCells, text, writeCells } from "./columns.ts";
import { type RowKeys, readRow } from "./rows.ts";

export function createSweepNotes({ storage }: { readonly storage: Pick<StorageClients, "table"> }): SweepNotes {
  const table = storage.table(TABLES.settings);
  return {
    async write(note) {
      try {
        await table.retrying.upsertEntity({ ...SWEEP_NOTE_KEYS, ...sweepNoteCells(note) }, "Merge");
      } catch (error) {
        throw storageError(error, "noting a sweep");
      }
    },
    async read() {
      const row = await readRow(table, SWEEP_NOTE_KEYS.partitionKey, SWEEP_NOTE_KEYS.rowKey);
      return row && sweepNoteOf(row.cells);
    },
  };
}

/** No tenant has this name. */
export const SWEEP_NOTE_KEYS: RowKeys = { partitionKey: "~sweeper", rowKey: "last" };

const SWEEP_NOTE_COLUMNS: Columns<SweepNote> = { sweptAt: instant("sweptAt"), sweptBy: text("sweptBy") };

export const sweepNoteCells = (note: SweepNote): Cells => writeCells(SWEEP_NOTE_COLUMNS, note);

/** Throws UnreadableError when the row cannot be read. */
export const sweepNoteOf = (row: Row): SweepNote => readCells("sweepNote", SWEEP_NOTE_COLUMNS, row);
