/**
 * Tells webhooks of failed jobs, batch by batch: one message for all that failed since the one before. The counters of a batch
 * say how many have failed ever. Its row says how many were told (core/job/notice.ts).
 */
import { EVENT_VERSION } from "../../core/job/events.ts";
import { messageOf } from "../../core/errors.ts";
import type { Batch, FailureNotice } from "../../core/job/job.ts";
import { isNoticeDue, isSameNotice, nextNotice } from "../../core/job/notice.ts";
import { FAILED_JOBS_TOLD_MAX_COUNT } from "../../core/limits.ts";
import { type Logger, batchLogFields } from "../../core/logger.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobIndex } from "../../core/ports/job-index.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { type TellDeps, type Told, createTell } from "./tell.ts";

export interface AnnounceFailuresDeps extends TellDeps {
  readonly batches: Pick<BatchStore, "get" | "update">;
  readonly jobs: Pick<JobStore, "get" | "snapshot">;
  readonly index: Pick<JobIndex, "read">;
  readonly log: Logger;
}

/**
 * Tells of the failed jobs of a batch. `failures`: how many have failed ever, as counted after the batch was read; undefined: to
 * be counted, if anyone wants to hear of it. Never throws: after an error the next round tells.
 */
export type AnnounceFailures = (batchId: string, failures?: number) => Promise<void>;

/** Entries of the index that are looked at for the names of failed jobs, and how long that may take. */
const LOOKED_AT = 2 * FAILED_JOBS_TOLD_MAX_COUNT;
const LOOK_MAX_MS = 5_000;
/** Each conflict is another write of the batch. */
const MARK_TRIES = 10;

export function createAnnounceFailures(deps: AnnounceFailuresDeps): AnnounceFailures {
  const { batches, jobs, index, now, log } = deps;
  const { isWanted, tell } = createTell(deps);

  /** Some of those that failed after the notice before. An entry of the index can be late. */
  async function failedSince({ batchId, tenantName, createdAt }: Batch, since: Date | undefined) {
    const range = { batchId, since: createdAt, limit: LOOKED_AT };
    try {
      const entries = await index.read({ tenantName, state: "failed" }, range, AbortSignal.timeout(LOOK_MAX_MS));
      const rows = await Promise.all(entries.map(({ jobId }) => jobs.get(jobId)));
      const failed = rows.flatMap((row) => (row?.value.state === "failed" ? [row.value] : []));
      return failed
        .filter(({ endedAt }) => since === undefined || endedAt === undefined || endedAt >= since)
        .slice(0, FAILED_JOBS_TOLD_MAX_COUNT)
        .map(({ jobId }) => jobId);
    } catch (error) {
      log.warn(
        { ...batchLogFields(batchId), error: messageOf(error) },
        "a message about failed jobs names none of them",
      );
      return [];
    }
  }

  /** R50: written before the first delivery. Undefined: there is nothing to make. */
  async function noticeOf(stored: Stored<Batch>, given: number | undefined): Promise<FailureNotice | undefined> {
    const { value: batch, etag } = stored;
    const last = batch.failureNotice;
    if (last?.isMade === false) return last;
    if (!isNoticeDue(last, now())) return undefined;
    const wanted = await isWanted(batch.tenantName, "jobsFailed");
    if (given === undefined && !wanted) return undefined;
    const failures = given ?? (await jobs.snapshot(batch)).failures;
    const step = nextNotice(last, failures, wanted, now());
    if (step.action !== "write") return undefined;
    const jobIds = wanted ? await failedSince(batch, last?.at) : [];
    const notice = { ...step.notice, jobIds };
    const { written } = await batches.update(batch.batchId, etag, { failureNotice: notice });
    return written && !notice.isMade ? notice : undefined;
  }

  /** R51: on the version that still has this notice. */
  async function mark(batchId: string, notice: FailureNotice): Promise<void> {
    let stored = await batches.get(batchId);
    for (let tries = 0; tries < MARK_TRIES && stored !== undefined; tries++) {
      if (!isSameNotice(stored.value.failureNotice, notice)) return;
      const result = await batches.update(batchId, stored.etag, { failureNotice: { ...notice, isMade: true } });
      if (result.written) return;
      stored = result.current;
    }
  }

  async function announce(batchId: string, failures: number | undefined): Promise<void> {
    const stored = await batches.get(batchId);
    const notice = stored && (await noticeOf(stored, failures));
    if (stored === undefined || notice === undefined) return;
    await tell(toldOf(stored.value, notice));
    await mark(batchId, notice);
  }

  return async (batchId, failures) => {
    try {
      await announce(batchId, failures);
    } catch (error) {
      log.warn({ ...batchLogFields(batchId), error: messageOf(error) }, "failed jobs were not announced; trying again");
    }
  };
}

/** Named after the batch and the last failure that it tells of. */
const toldOf = ({ batchId, batchName, tenantName }: Batch, { from, to, at, jobIds }: FailureNotice): Told => ({
  id: `${batchId}:failed:${from}-${to}`,
  at,
  message: {
    ...{ version: EVENT_VERSION, eventType: "jobsFailed", at: at.toISOString(), tenantName, batchId, batchName },
    ...{ failed: to - from, failures: to, jobIds },
  },
});
