/**
 * Submits the run of a timer with `runOnDeploy` for a version of its package, as an ordinary job of the timer's batch.
 */
import { InvariantError } from "../../core/errors.ts";
import type { Job } from "../../core/job/job.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { tickJobId, type Timer } from "../../core/timer/timer.ts";
import { jobQueueName } from "../../core/deployment/topology.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { type JobQueue, outgoingBell } from "../../core/ports/job-queue.ts";
import { newTimerJob, TIMER_SUBMITTER, wakeTimerBatch } from "../run/timer-jobs.ts";
import type { Clock } from "../../core/clock.ts";

export interface VersionRunDeps {
  readonly batches: Pick<BatchStore, "create" | "get" | "update">;
  readonly jobs: Pick<JobStore, "get" | "insert">;
  readonly outbox: Pick<JobQueue, "send">;
  readonly events: Pick<JobEvents, "queued" | "measures">;
  readonly now: Clock["now"];
}

/**
 * Submits one run per version, because its id is computed from the version and its first publishing. Throws
 * UnavailableError.
 */
export function createVersionRuns({ batches, jobs, outbox, events, now }: VersionRunDeps) {
  async function insert(timer: Timer, jobId: string, publishedAt: Date): Promise<Stored<Job>> {
    await wakeTimerBatch(batches, timer, now());
    const job = newTimerJob(timer, {
      jobId,
      trigger: { trigger: "deploy", scheduledAt: publishedAt, missedCount: 0 },
      pool: timer.pool,
      submittedAt: now(),
      submittedBy: TIMER_SUBMITTER,
    });
    const result = await jobs.insert(job);
    if (result.written) {
      events.queued(job);
      events.measures.submitted(job);
      return { value: job, etag: result.etag };
    }
    if (result.current === undefined)
      throw new InvariantError(`The insert of row ${jobId} was refused, but there is no such row.`);
    return result.current;
  }

  return async (timer: Timer, publishedAt: Date): Promise<void> => {
    const jobId = tickJobId(timer, publishedAt, `deploy:${timer.packageHash}`);
    const stored = (await jobs.get(jobId)) ?? (await insert(timer, jobId, publishedAt));
    const { state, pool, priority } = stored.value;
    // A queued job may have lost its bell. The broker drops a duplicate.
    if (state === "queued") await outbox.send(jobQueueName(pool, priority), [outgoingBell(stored)]);
  };
}
