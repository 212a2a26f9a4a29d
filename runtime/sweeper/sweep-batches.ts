/**
 * Compares the rows of active batches with bells and heartbeats, and repairs what a lost send, a purged queue or a lost
 * worker has left (steps 10 and 11 of the protocol). While all is well it reads nothing but counters.
 */
import { randomUUID } from "node:crypto";
import { DEFAULT_POOL, jobQueueName } from "../core/deployment/topology.ts";
import { type Unreadable, unlessUnreadable } from "../core/unreadable.ts";
import { bellMessageId, bellOf } from "../core/job/bell.ts";
import { isComplete, isUndecided } from "../core/job/completion.ts";
import { isClaimDead } from "../core/job/handback.ts";
import { isTold } from "../core/job/notice.ts";
import type { Batch, Job } from "../core/job/job.ts";
import { subjectOf } from "../core/job/message.ts";
import { openOf } from "../core/job/states.ts";
import type { WorkerRecord } from "../core/job/worker-record.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import type { CounterSnapshot, JobStore } from "../core/ports/job-store.ts";
import { type Logger, jobLogFields } from "../core/logger.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { WaitingStore } from "../core/ports/waiting-store.ts";
import type { WorkerStore } from "../core/ports/worker-store.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import { type CancelDeps, cancelJob } from "../lifecycle/cancel-job.ts";
import type { IndexRepair } from "./repair-index.ts";
import { type HandBackDeps, handBack } from "./hand-back-dead.ts";
import { waitingSince } from "./queue-ages.ts";

export interface SweepBatchesDeps extends HandBackDeps {
  readonly jobs: JobStore;
  readonly queue: JobQueue;
  readonly batches: Pick<BatchStore, "active" | "update">;
  readonly workers: Pick<WorkerStore, "list" | "requestCancel">;
  /** Makes the webhook deliveries that a batch still owes. Never throws. */
  readonly announce: (batchId: string) => Promise<unknown>;
  /** Tells webhooks of failed jobs, of which so many were counted. Never throws. Default: nobody is told. */
  readonly announceFailures?: ((batchId: string, failures: number) => Promise<void>) | undefined;
  /** Whether a queued job has no bell because it waits for another job. Throws UnavailableError. Default: none does. */
  readonly waitsForAnother?: ((job: Job) => Promise<boolean>) | undefined;
  /** Finds jobs that are missing in the index. Default: nothing does. */
  readonly indexRepair?: Pick<IndexRepair, "consider"> | undefined;
  /** Batches whose waiting jobs the refill rings for. Default: none. */
  readonly waiting?: Pick<WaitingStore, "list"> | undefined;
  /** Before the first bell of a job with a unique key (R43). False: it was canceled. Default: none has one. */
  readonly placeUnique?: ((stored: Stored<Job>) => Promise<boolean>) | undefined;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly lockMs: number;
  readonly marginMs: number;
}

export interface SweepReport {
  readonly bellsSent: number;
  readonly handedBack: number;
  readonly canceled: number;
  readonly pools: ReadonlySet<string>;
  /** Jobs that wait, and workers that hold claims and are silent, by pool. */
  readonly queuedCounts: ReadonlyMap<string, number>;
  readonly silentCounts: ReadonlyMap<string, number>;
  /** No job of any batch is open, as far as was looked. */
  readonly isIdle: boolean;
}

/**
 * Batches without an open job in the round before, by id, with the version of their row. They are passed over once, so
 * that a batch whose jobs have ended costs a look a minute. A job that is added meanwhile is found as soon as without
 * this, because its batch must be calm for a minute first.
 */
export type EndedBatches = Map<string, string>;

export interface SweepOptions {
  /** Also looks into batches that are busy, and passes over none. */
  readonly thorough: boolean;
  /** Written for the next round. Default: no batch is passed over. */
  readonly endedBatches?: EndedBatches;
}

/** Counters that changed since then show that the batch is alive. */
const CALM_MS = 60_000;
/** All jobs ended this long ago: no request that began before can still add one. */
const REST_AFTER_MS = 10 * 60_000;

interface Active {
  readonly batch: Stored<Batch>;
  readonly snapshot: CounterSnapshot;
}

export async function sweepBatches(
  deps: SweepBatchesDeps,
  { thorough, endedBatches = new Map() }: SweepOptions,
): Promise<SweepReport> {
  const { unreadable } = deps;
  const passedOver = new Map(thorough ? [] : endedBatches);
  endedBatches.clear();
  const pools = new Set<string>();
  const queuedCounts = new Map([[DEFAULT_POOL, 0]]);
  const active: Active[] = [];
  const unannounced: string[] = [];
  let isIdle = true;
  for await (const batch of deps.batches.active(unreadable.note)) {
    const { batchId, pool } = batch.value;
    pools.add(pool);
    queuedCounts.set(pool, queuedCounts.get(pool) ?? 0);
    if (batch.value.unannounced.length > 0) unannounced.push(batchId);
    if (passedOver.get(batchId) === batch.etag) continue;
    const snapshot = await unlessUnreadable(batchId, unreadable, () => deps.jobs.snapshot(batch.value));
    if (snapshot !== undefined) active.push({ batch, snapshot });
    queuedCounts.set(pool, (queuedCounts.get(pool) ?? 0) + (snapshot?.counts.queued ?? 0));
    if (snapshot === undefined || openOf(snapshot.counts) > 0) isIdle = false;
    else if (!isUndecided(batch.value)) endedBatches.set(batchId, batch.etag);
  }
  // Without the list of all workers no claim can be called dead. Without open jobs there are no claims.
  const workers =
    isIdle && !thorough ? [] : await unlessUnreadable("the workers", unreadable, () => deps.workers.list());
  for (const { pool } of workers ?? []) pools.add(pool);
  let bellsSent = 0;
  let handedBack = 0;
  let canceled = 0;
  const runningCount = active.reduce((sum, { snapshot }) => sum + snapshot.counts.running, 0);
  const claimedCount = (workers ?? []).reduce(
    (sum, worker) => sum + (isAlive(worker, deps) ? worker.claims.length : 0),
    0,
  );
  const bells = new Map<string, Promise<ReadonlySet<string> | undefined>>();
  let noted: Promise<ReadonlySet<string>> | undefined;

  const sweepBatch = async ({ batch, snapshot }: Active): Promise<void> => {
    const isIndexed = !(deps.indexRepair?.consider(batch, snapshot) ?? false);
    if (openOf(snapshot.counts) === 0) return concludeBatch(batch, snapshot, isIndexed, deps);
    if (!thorough && !isCalm(snapshot, deps)) return;
    // More jobs run than living workers hold: some claims are dead.
    if (workers !== undefined && snapshot.counts.running > 0 && (thorough || runningCount > claimedCount)) {
      handedBack += await handBackDead(batch.value, workers, deps);
    }
    if (snapshot.counts.queued === 0) return;
    if (batch.value.state === "canceled") canceled += await cancelOvertaken(batch.value, deps);
    noted ??= notedBatches(deps);
    if (!(await noted).has(batch.value.batchId)) bellsSent += await resendLostBells(batch.value, bells, deps);
  };
  for (const each of active) await unlessUnreadable(each.batch.value.batchId, unreadable, () => sweepBatch(each));
  // After the repairs, because jobs wait for those. The process that completed these has died, or its event got lost.
  for (const batchId of unannounced) await deps.announce(batchId);
  for (const { batch, snapshot } of active) {
    if (!isTold(batch.value.failureNotice, snapshot.failures)) {
      await deps.announceFailures?.(batch.value.batchId, snapshot.failures);
    }
  }
  const silentCounts = silentWorkers([DEFAULT_POOL, ...pools], workers ?? [], deps);
  return { bellsSent, handedBack, canceled, pools, queuedCounts, silentCounts, isIdle };
}

function silentWorkers(
  pools: Iterable<string>,
  workers: readonly WorkerRecord[],
  deps: SweepBatchesDeps,
): ReadonlyMap<string, number> {
  const silent = workers.filter((worker) => worker.claims.length > 0 && !isAlive(worker, deps));
  return new Map([...pools].map((pool) => [pool, silent.filter((worker) => worker.pool === pool).length]));
}

const isAlive = ({ heartbeatAt }: WorkerRecord, { now, lockMs, marginMs }: SweepBatchesDeps): boolean =>
  now().getTime() - heartbeatAt.getTime() <= lockMs + marginMs;

const isCalm = ({ changedAt }: CounterSnapshot, { now }: SweepBatchesDeps): boolean =>
  isOlder(changedAt, CALM_MS, now());

/** R12: completes a batch whose last look was lost with its process. Later the batch is left alone. */
async function concludeBatch(
  batch: Stored<Batch>,
  snapshot: CounterSnapshot,
  isIndexed: boolean,
  deps: SweepBatchesDeps,
): Promise<void> {
  const { value, etag } = batch;
  if (isUndecided(value)) {
    await deps.completion.afterJobEnded(value.batchId);
    return;
  }
  const lastChange = snapshot.changedAt ?? value.createdAt;
  // R52: nobody looks at it again.
  const owesNotice = deps.announceFailures !== undefined && !isTold(value.failureNotice, snapshot.failures);
  if (value.unannounced.length === 0 && !owesNotice && isIndexed && isOlder(lastChange, REST_AFTER_MS, deps.now())) {
    await deps.batches.update(value.batchId, etag, { atRest: true });
  }
}

async function handBackDead(batch: Batch, workers: readonly WorkerRecord[], deps: SweepBatchesDeps): Promise<number> {
  let count = 0;
  for await (const stored of deps.jobs.scan(batch, "running", deps.unreadable.note)) {
    const { claim } = stored.value;
    if (claim === undefined) continue;
    const worker = workers.find(({ pool, workerId }) => pool === stored.value.pool && workerId === claim.workerId);
    if (!isClaimDead(claim, worker, deps.now().getTime(), deps)) continue;
    if ((await handBack(stored, deps)) !== undefined) count++;
  }
  return count;
}

/**
 * R10: sends the same ring under a new message id, because the broker may remember the id whose message is gone.
 *
 * R13: a batch may have been completed before one of its jobs was inserted. The row of such a job does not say that the
 * batch must be reopened, as a requeued one's does. So the batch is reopened before the bell is sent.
 */
async function resendLostBells(
  batch: Batch,
  bells: Map<string, Promise<ReadonlySet<string> | undefined>>,
  { jobs, queue, completion, waitsForAnother, placeUnique, unreadable, now, log }: SweepBatchesDeps,
): Promise<number> {
  let count = 0;
  let mustReopen = isComplete(batch);
  for await (const stored of jobs.scan(batch, "queued", unreadable.note)) {
    const { value: job, etag } = stored;
    if (!isOlder(waitingSince(job), BELL_GRACE_MS, now())) continue;
    const queueName = jobQueueName(job.pool, job.priority);
    const known = bells.get(queueName) ?? bellsIn(queue, queueName);
    bells.set(queueName, known);
    const present = await known;
    if (present === undefined || hasBell(present, job)) continue;
    if (await waitsForAnother?.(job)) continue;
    // A bell that was received a moment ago is in no queue any more. The row says whether the job was claimed.
    if (!(await isStillQueued(jobs, job))) continue;
    if (placeUnique !== undefined && !(await placeUnique(stored))) continue;
    if (mustReopen) await completion.reopenBatch(batch.batchId);
    mustReopen = false;
    await queue.send(queueName, [
      {
        bell: bellOf(job, etag),
        messageId: `${bellMessageId(job.jobId, job.ring)}:${randomUUID()}`,
        enqueueAt: job.runAt,
      },
    ]);
    const { jobId, requestId } = job;
    log.warn({ ...jobLogFields(jobId), requestId, queue: queueName }, "bell of a waiting job sent again");
    count++;
  }
  return count;
}

/** Their jobs wait without a bell on purpose. Lost bells in them are found when the refill has removed the note (R32). */
async function notedBatches({ waiting, unreadable }: SweepBatchesDeps): Promise<ReadonlySet<string>> {
  return new Set((await waiting?.list(unreadable.note))?.map(({ value }) => value.batchId));
}

async function isStillQueued(jobs: Pick<JobStore, "get">, { jobId, ring }: Job): Promise<boolean> {
  const current = (await jobs.get(jobId))?.value;
  return current?.state === "queued" && current.ring === ring;
}

export interface CancelOvertakenDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "scan" | "update">;
  readonly completion: BatchCompletion;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly log: Logger;
}

/**
 * Ends jobs of a canceled batch that the cancel did not reach (step 8 of the protocol): their submitter found the batch
 * open and died before it could see the cancel. Resolves to the number of jobs.
 */
async function cancelOvertaken(batch: Batch, deps: CancelOvertakenDeps): Promise<number> {
  const { jobs, completion, unreadable, now, log } = deps;
  let count = 0;
  for await (const stored of jobs.scan(batch, "queued", unreadable.note)) {
    if (!wasNeverStarted(stored.value) || !isOlder(stored.value.submittedAt, BELL_GRACE_MS, now())) continue;
    // R13: the batch was completed without this job.
    if (count === 0 && isComplete(batch)) await completion.reopenBatch(batch.batchId);
    await cancelJob(stored, deps);
    const { jobId, requestId } = stored.value;
    log.warn({ ...jobLogFields(jobId), requestId }, "job of a canceled batch canceled");
    count++;
  }
  if (count > 0) await completion.afterJobEnded(batch.batchId);
  return count;
}

/** A requeued job of a canceled batch runs, although the batch stays canceled. A rescheduled one does not. */
const wasNeverStarted = ({ executions, reopen }: Job): boolean => executions === 0 && !reopen;

/** A queue with more messages is not searched: it has work, and its lost bells can wait. */
const BELLS_MAX = 20_000;
const PEEK_PAGE = 250;
/** The writer of a queued row may still be about to send its bell. */
const BELL_GRACE_MS = 30_000;

const keyOf = (jobId: string, ring: number): string => `${jobId}:${ring}`;

/** All bells of a queue, waiting, scheduled or under lock; undefined when there are too many to look at. */
async function bellsIn(queue: Pick<JobQueue, "peek">, queueName: string): Promise<ReadonlySet<string> | undefined> {
  const bells = new Set<string>();
  let fromSequenceNumber: string | undefined;
  for (let seen = 0; seen <= BELLS_MAX;) {
    const page = await queue.peek(queueName, { deadLetter: false, fromSequenceNumber, maxCount: PEEK_PAGE });
    const last = page.at(-1);
    if (last === undefined) return bells;
    for (const { parsed } of page) {
      const subject = subjectOf(parsed);
      if (subject !== undefined) bells.add(keyOf(subject.jobId, subject.ring));
    }
    seen += page.length;
    fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
  }
  return undefined;
}

const hasBell = (bells: ReadonlySet<string>, job: Pick<Job, "jobId" | "ring">): boolean =>
  bells.has(keyOf(job.jobId, job.ring));

const isOlder = (at: Date | undefined, ms: number, now: Date): boolean =>
  at === undefined || now.getTime() - at.getTime() > ms;
