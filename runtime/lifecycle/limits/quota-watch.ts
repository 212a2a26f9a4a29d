/**
 * What follows when a tenant may run more jobs at once than before, or any number: those that wait stand in rows without a
 * message. Their batches are noted, and the refill rings for those that may start now. Without this they would go on at the next
 * end of a job, or when the sweeper finds them.
 */
import { tenantLine } from "../../core/admission/limit.ts";
import { jobQueueName } from "../../core/deployment/topology.ts";
import { messageOf } from "../../core/errors.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import { PAUSES_READ_EVERY_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { LineStore } from "../../core/ports/line-store.ts";
import type { WaitingNotes } from "../../core/ports/waiting-store.ts";
import type { PauseBoard } from "../pause-board.ts";

export interface QuotaWatchDeps {
  readonly board: Pick<PauseBoard, "current" | "onChange">;
  readonly lines: Pick<LineStore, "read">;
  readonly batches: Pick<BatchStore, "get">;
  readonly waiting: WaitingNotes;
  readonly log: Logger;
  /** By then every worker goes by the new quota. Default: some more than two reads take. */
  readonly afterMs?: number;
}

/** A page of a line. Jobs behind it are in the same batches, or are found by the sweeper. */
const PLACES = 999;

export interface QuotaWatch {
  stop(): void;
}

export function startQuotaWatch(deps: QuotaWatchDeps): QuotaWatch {
  const { board, lines, batches, waiting, log, afterMs = PAUSES_READ_EVERY_MS + 1_000 } = deps;
  let before = new Map<string, number>();
  const timers = new Set<NodeJS.Timeout>();

  async function noteWaiting(tenantName: string): Promise<void> {
    const { places } = await lines.read(tenantLine(tenantName), PLACES);
    const batchIds = places.filter(({ waits }) => waits).map(({ jobId }) => jobIdParts(jobId).batchId);
    for (const batchId of new Set(batchIds)) {
      const batch = (await batches.get(batchId))?.value;
      if (batch === undefined) continue;
      // A job can have another priority than its batch. A note without such jobs is removed after one look.
      for (const priority of PRIORITIES) await waiting.note(jobQueueName(batch.pool, priority), batchId);
    }
  }

  board.onChange(() => {
    const after = new Map(board.current().runningLimits.map(({ tenantName, max }) => [tenantName, max]));
    const grown = [...before].filter(([tenantName, max]) => (after.get(tenantName) ?? Infinity) > max);
    before = after;
    for (const [tenantName] of grown) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        noteWaiting(tenantName).catch((error: unknown) =>
          log.warn(
            { tenantName, error: messageOf(error) },
            "jobs that waited for a quota were not noted; the sweeper finds them",
          ),
        );
      }, afterMs);
      timers.add(timer.unref());
    }
  });
  return {
    stop() {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
