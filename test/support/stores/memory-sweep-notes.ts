/** SweepNotes in memory. */
import { SWEEP_NOTE_KEYS, sweepNoteCells, sweepNoteOf } from "../../../runtime/azure/tables/sweep-notes.ts";
import type { SweepNotes } from "../../../runtime/core/ports/sweep-notes.ts";
import { MemoryTable } from "./memory-table.ts";

export const createMemorySweepNotes = (table = new MemoryTable()): SweepNotes => ({
  write(note) {
    table.put(SWEEP_NOTE_KEYS, sweepNoteCells(note));
    return Promise.resolve();
  },
  async read() {
    const row = await table.get(SWEEP_NOTE_KEYS);
    return row && sweepNoteOf(row.cells);
  },
});
