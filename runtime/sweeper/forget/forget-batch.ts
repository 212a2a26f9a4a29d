/**
 * Looks through the jobs of one batch and removes what is due: logs, artifacts, rows, and at last the batch itself. A look is
 * made in steps of bounded work, and repeated from its beginning by whoever leads after a crash: what is gone stays gone.
 *
 * | step                                 | a crash right after it leaves            | repaired by                          |
 * |--------------------------------------|------------------------------------------|--------------------------------------|
 * | logs and artifacts of a job          | the row, which shows none                | the next look                        |
 * | its key and its rows of the index    | the row; its own name is free            | the next look                        |
 * | the row, on the version read (R45)   | large parameters that nothing names      | the removal of the batch             |
 * | large parameters                     | nothing                                  |                                      |
 * | the batch keeps its counts (R48)     | counters that nobody reads               | the next look                        |
 * | blobs and counters of the batch      | a batch without jobs, with its counts    | the next look                        |
 * | the batch, on the version read (R49) | nothing                                  |                                      |
 */
import type { Clock } from "../../core/clock.ts";
import { provesCompletion } from "../../core/job/completion.ts";
import { isTimerBatch } from "../../core/job/ids.ts";
import type { Batch, Job } from "../../core/job/job.ts";
import {
  type Retention,
  NEVER,
  batchDueAt,
  dueOf,
  isFreshlyDue,
  isPastDayBatch,
  mayLoseJobs,
  nextLookAt,
} from "../../core/job/retention.ts";
import { openOf } from "../../core/job/states.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Removal } from "../../core/ports/removal.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { Unreadable } from "../../core/unreadable.ts";

export interface ForgetBatchDeps {
  readonly removal: Removal;
  readonly batches: Pick<BatchStore, "get" | "update">;
  readonly jobs: Pick<JobStore, "snapshot">;
  readonly timers: Pick<TimerStore, "run">;
  /** Removes what other tables have of jobs whose rows are about to go. It may be repeated. Default: nothing. */
  readonly removeIndexRows?: ((jobs: readonly Job[]) => Promise<void>) | undefined;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
}

/** How much is still to be kept, and since when it was set. */
export interface Kept {
  readonly retention: Retention;
  readonly changedAt: Date | undefined;
}

export interface Forgotten {
  rows: number;
  /** Jobs whose logs, and whose artifacts, were removed. */
  logs: number;
  artifacts: number;
  batches: number;
}

export const nothingForgotten = (): Forgotten => ({ rows: 0, logs: 0, artifacts: 0, batches: 0 });

export interface Look {
  /** Works for about so many requests. Resolves to the number made. Throws UnavailableError: the look can go on later. */
  step(requests: number): Promise<number>;
  readonly isOver: boolean;
}

/** Rows removed at a time. */
const AT_ONCE = 25;
/** A page of a thousand rows costs as much work as so many small requests. */
export const PAGE_COST = 25;
const BLOBS_AT_ONCE = 500;

/** Begins a look. `batchId`: of a batch that exists, or did a moment ago. */
export function lookThrough(
  batchId: string,
  { retention, changedAt }: Kept,
  deps: ForgetBatchDeps,
  did: Forgotten,
): Look {
  const { removal, batches, timers, unreadable, now } = deps;
  const beganAt = now();
  let isOver = false;
  let stored: Stored<Batch> | undefined;
  let from: string | undefined;
  let isAllRead = false;
  let firstDueAt = NEVER;
  let keptCount = 0;
  let named: ReadonlySet<string> = new Set();

  async function begin(): Promise<void> {
    stored = await batches.get(batchId);
    if (stored === undefined || !mayLoseJobs(stored.value, beganAt)) {
      isOver = true;
      return;
    }
    if (!isTimerBatch(batchId)) return;
    const run = (await timers.run(batchId))?.value;
    named = new Set([...(run?.currentJobId === undefined ? [] : [run.currentJobId]), ...(run?.waitingJobIds ?? [])]);
  }

  /** Resolves to the number of requests. */
  async function readOn(batch: Batch): Promise<number> {
    const part = await removal.jobs(batch, {
      from,
      onUnreadable(key, error) {
        keptCount++;
        unreadable.note(key, error);
      },
    });
    let requests = PAGE_COST;
    for (let at = 0; at < part.items.length; at += AT_ONCE) {
      const group = part.items.slice(at, at + AT_ONCE);
      const leaving = group.filter(({ value }) => isRowDue(value));
      if (leaving.length > 0) await deps.removeIndexRows?.(leaving.map(({ value }) => value));
      requests += (await Promise.all(group.map((job) => forgetJob(batch, job)))).reduce((a, b) => a + b, 0);
    }
    from = part.next;
    isAllRead = from === undefined;
    return requests;
  }

  const dueTimes = (job: Job) => dueOf(job, retention, named.has(job.jobId));
  const isRowDue = (job: Job): boolean => (dueTimes(job)?.rowAt ?? NEVER) <= beganAt;

  async function forgetJob(batch: Batch, { value: job, etag }: Stored<Job>): Promise<number> {
    const due = dueTimes(job);
    if (due === undefined) {
      keptCount++;
      // It can end at any time.
      firstDueAt = beganAt;
      return 0;
    }
    const { jobId, tenantName } = job;
    let requests = 0;
    const claimIds = new Set(job.history.map(({ claimId }) => claimId));
    if (job.claim !== undefined) claimIds.add(job.claim.id);
    if (isFreshlyDue(due.logsAt, batch, changedAt, beganAt) && claimIds.size > 0) {
      await removal.logs(jobId, [...claimIds]);
      requests += claimIds.size;
      did.logs++;
    }
    // An attempt that did not end well may have left some that its successor's count does not show.
    const mayHaveArtifacts = job.artifactCount > 0 || job.executions > 1;
    if (isFreshlyDue(due.filesAt, batch, changedAt, beganAt) && mayHaveArtifacts) {
      await removal.artifacts(jobId);
      requests += 2;
      did.artifacts++;
    }
    if (due.rowAt > beganAt) {
      keptCount++;
      for (const at of [due.logsAt, due.filesAt, due.rowAt]) if (at > beganAt && at < firstDueAt) firstDueAt = at;
      return requests;
    }
    // Before the row: a key without a row would let a repeat insert it again (R46).
    if (job.clientJobId !== undefined) {
      await removal.key(tenantName, { kind: "job-id", key: job.clientJobId }, jobId);
      requests += 2;
    }
    requests++;
    if (!(await removal.job(jobId, etag))) {
      // It was requeued a moment ago.
      keptCount++;
      firstDueAt = beganAt;
      return requests;
    }
    did.rows++;
    // After the row: a job that is requeued needs them.
    if (job.parameters === undefined) {
      await removal.parameters(jobId);
      requests++;
    }
    return requests;
  }

  /** When all rows were read. Resolves to the number of requests. */
  async function conclude({ value: batch, etag }: Stored<Batch>): Promise<number> {
    if (keptCount === 0 && batchDueAt(batch, retention) <= beganAt) return removeBatch(batch, etag);
    isOver = true;
    if (keptCount === 0 && batch.state === "open" && isPastDayBatch(batchId, beganAt)) {
      return 1 + (await closeDay(batch, etag));
    }
    const firstAt = keptCount === 0 ? batchDueAt(batch, retention) : firstDueAt;
    // Not written: another writer was faster, and the next round looks again.
    await batches.update(batchId, etag, { forgetAt: nextLookAt(batch, firstAt, beganAt), forgottenAt: beganAt });
    return 1;
  }

  /**
   * Nobody closes the batch of a day, so it would stay for ever. It is closed as complete without a word to webhooks: its
   * jobs ended long ago. As with every completion, the counters are summed twice and the version read before is written (R12).
   */
  async function closeDay(batch: Batch, etag: string): Promise<number> {
    const first = await deps.jobs.snapshot(batch);
    const second = openOf(first.counts) > 0 ? undefined : await deps.jobs.snapshot(batch);
    if (second === undefined || !provesCompletion(first, second)) return 2;
    const { generation } = batch;
    const completedAt = second.changedAt ?? batch.createdAt;
    await batches.update(batchId, etag, { state: "closed", completedGeneration: generation, completedAt });
    return 3;
  }

  async function removeBatch(batch: Batch, etag: string): Promise<number> {
    if (batch.frozenCounts === undefined) {
      const frozenCounts = (await deps.jobs.snapshot(batch)).counts;
      const result = await batches.update(batchId, etag, { frozenCounts });
      if (result.written) stored = { value: { ...batch, frozenCounts }, etag: result.etag };
      else isOver = true;
      return 2;
    }
    const removed = await removal.blobs({ batchId }, BLOBS_AT_ONCE);
    if (removed > 0) return removed;
    await removal.counters(batch);
    if (await removal.batch(batchId, etag)) did.batches++;
    isOver = true;
    return 3 + batch.shardCount;
  }

  return {
    get isOver() {
      return isOver;
    },
    async step(requests) {
      let made = 0;
      if (stored === undefined) {
        await begin();
        made += 2;
      }
      while (!isOver && made < requests && stored !== undefined) {
        made += isAllRead ? await conclude(stored) : await readOn(stored.value);
      }
      return made;
    },
  };
}
