/** Replays recorded writes of lines: places that come and go, and times that rates have given. */
import { TABLES } from "../../../../runtime/core/deployment/storage-layout.ts";
import type { WireRecord } from "../storage-wire.ts";

export interface PlaceChange {
  /** Place in the record, which all tables share. */
  readonly order: number;
  readonly line: string;
  readonly ticket: number;
  /** Undefined: it was removed. */
  readonly of: { readonly jobId: string; readonly ring: number } | undefined;
}

/** A write of a rate's row: the times that are taken, and how many starts at each. */
export interface TakenChange {
  readonly line: string;
  readonly jobType: string;
  readonly taken: readonly (readonly [at: number, count: number])[];
}

export interface Lines {
  readonly places: readonly PlaceChange[];
  readonly taken: readonly TakenChange[];
}

const PLACE = /^line\.(\d+)$/;

export function replayLines(records: readonly WireRecord[]): Lines {
  const places: PlaceChange[] = [];
  const taken: TakenChange[] = [];
  records.forEach(({ landed, writes }, order) => {
    if (!landed) return;
    for (const { table, partition: line, row, kind, cells } of writes) {
      if (table !== TABLES.gates) continue;
      const ticket = PLACE.exec(row)?.[1];
      if (ticket !== undefined) {
        const of = { jobId: String(cells["jobId"]), ring: Number(cells["ring"]) };
        places.push({ order, line, ticket: Number(ticket), of: kind === "delete" ? undefined : of });
      }
      if (row === "head" && cells["kind"] === "rate") {
        taken.push({ line, jobType: String(cells["jobType"]), taken: JSON.parse(String(cells["taken"])) as [] });
      }
    }
  });
  return { places, taken };
}
