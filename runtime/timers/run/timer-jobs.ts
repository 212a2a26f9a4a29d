/** The rows of a timer's runs and of their batch. API and workers write the same ones. */
import { UnavailableError } from "../../core/errors.ts";
import { type Batch, type Job, NEW_BATCH, UNTOUCHED_JOB } from "../../core/job/job.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import { batchIdOf, batchNameOf, type Timer } from "../../core/timer/timer.ts";
import { timerTriggerJson, type TimerTrigger } from "../../core/timer/trigger.ts";

export const TIMER_SUBMITTER = "timer";

export interface NewTimerJob {
  readonly jobId: string;
  readonly trigger: TimerTrigger;
  readonly pool: string;
  readonly submittedAt: Date;
  readonly submittedBy: string;
}

export function newTimerJob(timer: Timer, { jobId, trigger, pool, submittedAt, submittedBy }: NewTimerJob): Job {
  const { tenantName, packageName, timerName, priority } = timer;
  return {
    jobId,
    batchId: batchIdOf(timer),
    tenantName,
    clientJobId: undefined,
    jobType: timerName,
    jobName: timerName,
    jobProcessorPackageName: packageName,
    parameters: timerTriggerJson(trigger),
    priority,
    pool,
    retry: {},
    timeoutMs: undefined,
    expiresAt: undefined,
    ...UNTOUCHED_JOB,
    runAt: undefined,
    submittedAt,
    submittedBy,
    requestId: undefined,
  };
}

/** Each refusal is another write of the same row, so this many mean an outage. */
const WAKE_TRIES = 100;

/**
 * To be called before a run is inserted: makes the batch unless it is there, and has the sweeper look after it again.
 * Throws UnavailableError.
 */
export async function wakeTimerBatch(
  batches: Pick<BatchStore, "create" | "get" | "update">,
  timer: Timer,
  now: Date,
): Promise<void> {
  const batchId = batchIdOf(timer);
  for (let tries = 0; tries < WAKE_TRIES; tries++) {
    const stored = await batches.get(batchId);
    if (stored === undefined) {
      await batches.create(newTimerBatch(timer, now));
      return;
    }
    if (!stored.value.atRest) return;
    if ((await batches.update(batchId, stored.etag, { atRest: false })).written) return;
  }
  throw new UnavailableError("StorageUnavailable", `Batch ${batchId} changed each time it was written.`);
}

const newTimerBatch = (timer: Timer, createdAt: Date): Batch => ({
  batchId: batchIdOf(timer),
  tenantName: timer.tenantName,
  batchName: batchNameOf(timer),
  priority: timer.priority,
  pool: timer.pool,
  ...NEW_BATCH,
  shardCount: 1,
  createdAt,
  createdBy: TIMER_SUBMITTER,
});
