/**
 * Notes in the index what its writers have lost: of each batch whose jobs have changed, all that were submitted or ended
 * since the last look. One batch at a time, beside the sweeper's rounds, because a large batch takes minutes.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Batch } from "../core/job/job.ts";
import type { Logger } from "../core/logger.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { IndexMove, JobIndex } from "../core/ports/job-index.ts";
import type { CounterSnapshot, JobOutline, JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { Unreadable } from "../core/unreadable.ts";

export interface IndexRepairDeps {
  readonly jobs: Pick<JobStore, "outlines">;
  readonly batches: Pick<BatchStore, "update">;
  readonly index: Pick<JobIndex, "write">;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export interface IndexRepair {
  /** Whether the batch has changed since its last look. Begins one, if it is time and no other is under way. */
  consider(batch: Stored<Batch>, snapshot: CounterSnapshot): boolean;
  /** Ends a look under way, which is made again later. */
  stop(): Promise<void>;
}

/** The writers are done with a batch that has not changed for so long. */
const CALM_MS = 5 * 60_000;
/** A batch that is never calm is looked at this often. */
const BUSY_MS = 60 * 60_000;
/** Clocks of API and workers may differ by this, and a change may be under way during a look. */
const OVERLAP_MS = 10 * 60_000;
const GROUP = 1_000;

export function createIndexRepair(deps: IndexRepairDeps): IndexRepair {
  const { jobs, batches, index, unreadable, now, log } = deps;
  let looking: Promise<void> | undefined;
  let stopped = false;

  async function look({ value: batch, etag }: Stored<Batch>): Promise<void> {
    const { batchId, indexedAt } = batch;
    const begunAt = now();
    const since = indexedAt && new Date(indexedAt.getTime() - OVERLAP_MS);
    let group: IndexMove[] = [];
    for await (const outline of jobs.outlines(batch, since, unreadable.note)) {
      if (stopped) return;
      group.push(moveOf(outline));
      if (group.length < GROUP) continue;
      await index.write(group);
      group = [];
    }
    await index.write(group);
    // Refused: the batch has changed, and is looked at again.
    await batches.update(batchId, etag, { indexedAt: begunAt });
  }

  return {
    consider(stored, { changedAt }) {
      const { indexedAt, createdAt, batchId } = stored.value;
      if (changedAt === undefined || (indexedAt !== undefined && changedAt < indexedAt)) return false;
      const at = now().getTime();
      const isTime = at - changedAt.getTime() >= CALM_MS || at - (indexedAt ?? createdAt).getTime() >= BUSY_MS;
      if (isTime && looking === undefined && !stopped) {
        looking = look(stored)
          .catch((error: unknown) => log.warn({ batchId, error: messageOf(error) }, "the index was not checked"))
          .finally(() => (looking = undefined));
      }
      return true;
    },
    async stop() {
      stopped = true;
      await looking;
    },
  };
}

/** Notes the job where it is. Where else it may still be noted, lists find out. */
const moveOf = ({ jobId, state, runAt, jobType, tags }: JobOutline): IndexMove => ({
  ...{ jobId, facts: { jobType, tags }, from: undefined, to: state },
  runAt,
});
