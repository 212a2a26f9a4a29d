/**
 * Makes deliveries of the completions on a batch's row, and then removes them from it. The write that completed the batch put
 * them there, so none can be lost. A repeat makes the same deliveries again, which already exist.
 */
import { messageOf } from "../../core/errors.ts";
import { batchCompletedEvent } from "../../core/job/events.ts";
import type { Batch, BatchEnd } from "../../core/job/job.ts";
import { type Logger, batchLogFields } from "../../core/logger.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import { totalOf } from "../../core/job/states.ts";
import { type Tell, type TellDeps, type Told, createTell } from "./tell.ts";

export interface AnnounceDeps extends TellDeps {
  readonly batches: Pick<BatchStore, "get" | "update">;
  readonly log: Logger;
}

/**
 * Announces the completions of a batch. Never throws: after an error they stay on the row for the next round. Resolves to the
 * number of deliveries that wait now.
 */
export type Announce = (batchId: string) => Promise<number>;

/** Each conflict is another write of the batch. */
const CLEAR_TRIES = 10;

export function createAnnounce(deps: AnnounceDeps): Announce {
  const { batches, log } = deps;
  const { tell }: Tell = createTell(deps);

  /** Removes only what was announced: another completion may have come meanwhile. */
  async function clear(batchId: string, announced: ReadonlySet<number>): Promise<void> {
    let stored = await batches.get(batchId);
    for (let tries = 0; tries < CLEAR_TRIES && stored !== undefined; tries++) {
      const unannounced = stored.value.unannounced.filter(({ generation }) => !announced.has(generation));
      if (unannounced.length === stored.value.unannounced.length) return;
      const result = await batches.update(batchId, stored.etag, { unannounced });
      if (result.written) return;
      stored = result.current;
    }
  }

  async function announce(batchId: string): Promise<number> {
    const batch = (await batches.get(batchId))?.value;
    if (batch === undefined || batch.unannounced.length === 0) return 0;
    let count = 0;
    for (const end of batch.unannounced) count += await tell(toldOf(batch, end));
    await clear(batchId, new Set(batch.unannounced.map(({ generation }) => generation)));
    return count;
  }

  return async (batchId) => {
    try {
      return await announce(batchId);
    } catch (error) {
      log.warn(
        { ...batchLogFields(batchId), error: messageOf(error) },
        "the completion of a batch was not announced; trying again",
      );
      return 0;
    }
  };
}

/** Named after the batch and its generation. */
function toldOf(batch: Batch, { generation, state, completedAt, counts }: BatchEnd): Told {
  const { id, event } = batchCompletedEvent({ ...batch, generation, state }, completedAt);
  return { id, at: completedAt, message: { ...event, counts: { ...counts, total: totalOf(counts) } } };
}
