/** The memory timers under a test's direct control: rows are put, read and made unreadable at once. */
import { timerCells, timerKeys, timerOf } from "../../../runtime/azure/tables/timer-store.ts";
import type { RowKeys } from "../../../runtime/azure/tables/rows.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { Timer, TimerName } from "../../../runtime/core/timer/timer.ts";
import { atOnce, MemoryTable } from "./memory-table.ts";
import { createMemoryTimers as timersIn } from "./memory-timers.ts";

export interface MemoryTimers extends TimerStore {
  put(timer: Timer): Stored<Timer>;
  row(name: TimerName): Timer;
  /** Makes its row one that cannot be read. */
  spoil(name: TimerName): void;
}

export function createMemoryTimers(): MemoryTimers {
  const table = new MemoryTable(atOnce);
  return {
    ...timersIn(table),
    put: (timer) => ({ value: timer, etag: table.put(keysOf(timer), timerCells(timer)) }),
    row: (name) => timerOf(table.peek(keysOf(name))!.cells),
    spoil: (name) => void table.put(keysOf(name), { overlap: "sometimes" }),
  };
}

function keysOf(name: TimerName): RowKeys {
  const keys = timerKeys(name);
  if (keys === undefined) throw new Error("Not a timer name.");
  return keys;
}
