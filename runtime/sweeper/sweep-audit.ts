/** Removes expired entries of the audit: some partitions at each call, and a pause between two passes over the table. */
import type { AuditStore } from "../core/ports/audit-store.ts";
import type { Clock } from "../core/clock.ts";

export interface AuditSweepDeps {
  readonly audit: Pick<AuditStore, "removeExpired">;
  /** How long entries are kept. */
  readonly days: number;
  readonly now: Clock["now"];
}

export interface AuditSweep {
  /** Resolves to the number of entries removed. Throws UnavailableError. */
  sweep(): Promise<number>;
}

const DAY_MS = 24 * 60 * 60_000;
/** Entries live for days, so an hour between two passes is enough. */
const PASS_EVERY_MS = 60 * 60_000;
/** Partitions that one call looks at, two requests each. A thousand tenants take half an hour. */
const PARTITIONS_PER_CALL = 20;
/** A call that has removed so many ends: the rest of the round must not wait for long. */
const REMOVED_PER_CALL = 10_000;

/** Remembers how far the pass has come. When another process leads, it begins a new pass. */
export function createAuditSweep({ audit, days, now }: AuditSweepDeps): AuditSweep {
  let position: string | undefined;
  let nextPassAt = 0;
  return {
    async sweep() {
      if (now().getTime() < nextPassAt) return 0;
      const before = new Date(now().getTime() - days * DAY_MS);
      let removed = 0;
      for (let i = 0; i < PARTITIONS_PER_CALL && removed < REMOVED_PER_CALL; i++) {
        const result = await audit.removeExpired(before, position);
        removed += result.removedCount;
        position = result.position;
        if (position !== undefined) continue;
        nextPassAt = now().getTime() + PASS_EVERY_MS;
        break;
      }
      return removed;
    },
  };
}
