/**
 * Compares the rows of active batches with bells and heartbeats, and repairs what only a lost send, a purged queue or a
 * lost worker can cause (steps 10 and 11 of the protocol). While all is well it reads counters and nothing else.
 */
import { randomUUID } from "node:crypto";
import { jobQueueName } from "../core/deployment/topology.ts";
import { type Unreadable, unlessUnreadable } from "../core/unreadable.ts";
import { bellMessageId, bellOf } from "../core/job/bell.ts";
import { isComplete, isUndecided } from "../core/job/completion.ts";
import { isClaimDead } from "../core/job/handback.ts";
import type { Batch, Job } from "../core/job/job.ts";
import { subjectOf } from "../core/job/message.ts";
import { openOf } from "../core/job/states.ts";
import type { WorkerRecord } from "../core/job/worker-record.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import type { CounterSnapshot, JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { WorkerStore } from "../core/ports/worker-store.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import { type CancelDeps, cancelJob } from "../lifecycle/cancel-job.ts";
import { type HandBackDeps, handBack } from "./hand-back-dead.ts";

export interface SweepBatchesDeps extends HandBackDeps {
  readonly jobs: JobStore;
  readonly queue: JobQueue;
  readonly batches: Pick<BatchStore, "active" | "update">;
  readonly workers: Pick<WorkerStore, "list" | "requestCancel">;
  /** Tells webhooks what a batch has to tell. Never throws. */
  readonly announce: (batchId: string) => Promise<unknown>;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly lockMs: number;
  readonly marginMs: number;
}

export interface SweepReport {
  readonly rung: number;
  readonly handedBack: number;
  readonly canceled: number;
  readonly pools: ReadonlySet<string>;
}

/** Counters that changed since then show that the batch is alive. */
const CALM_MS = 60_000;
/** All jobs ended this long ago: no request that began before can still add one. */
const REST_AFTER_MS = 10 * 60_000;

interface Active {
  readonly batch: Stored<Batch>;
  readonly snapshot: CounterSnapshot;
}

/** `thorough`: also looks into batches that are busy. */
export async function sweepBatches(
  deps: SweepBatchesDeps,
  { thorough }: { readonly thorough: boolean },
): Promise<SweepReport> {
  const { unreadable } = deps;
  // Without all of them no claim can be said to be dead.
  const workers = await unlessUnreadable("the workers", unreadable, () => deps.workers.list());
  const pools = new Set(workers?.map(({ pool }) => pool));
  const active: Active[] = [];
  for await (const batch of deps.batches.active(unreadable.note)) {
    pools.add(batch.value.pool);
    await unlessUnreadable(batch.value.batchId, unreadable, async () => {
      active.push({ batch, snapshot: await deps.jobs.snapshot(batch.value) });
    });
  }
  let rung = 0;
  let handedBack = 0;
  let canceled = 0;
  const runningCount = active.reduce((sum, { snapshot }) => sum + snapshot.counts.running, 0);
  const claimedCount = (workers ?? []).reduce(
    (sum, worker) => sum + (isAlive(worker, deps) ? worker.claims.length : 0),
    0,
  );
  const bells = new Map<string, Promise<ReadonlySet<string> | undefined>>();

  const sweepBatch = async ({ batch, snapshot }: Active): Promise<void> => {
    if (openOf(snapshot.counts) === 0) return concludeBatch(batch, snapshot, deps);
    if (!thorough && !isCalm(snapshot, deps)) return;
    // More running than living workers know of: somebody's claim is dead.
    if (workers !== undefined && snapshot.counts.running > 0 && (thorough || runningCount > claimedCount)) {
      handedBack += await handBackDead(batch.value, workers, deps);
    }
    if (snapshot.counts.queued === 0) return;
    if (batch.value.state === "canceled") canceled += await cancelOvertaken(batch.value, deps);
    rung += await ringOrphans(batch.value, bells, deps);
  };
  for (const each of active) await unlessUnreadable(each.batch.value.batchId, unreadable, () => sweepBatch(each));
  // After the repairs, which jobs wait for. Whoever completed these has died, or its news got lost.
  for (const { batch } of active) if (batch.value.unannounced.length > 0) await deps.announce(batch.value.batchId);
  return { rung, handedBack, canceled, pools };
}

const isAlive = ({ heartbeatAt }: WorkerRecord, { now, lockMs, marginMs }: SweepBatchesDeps): boolean =>
  now().getTime() - heartbeatAt.getTime() <= lockMs + marginMs;

const isCalm = ({ changedAt }: CounterSnapshot, { now }: SweepBatchesDeps): boolean =>
  isOlder(changedAt, CALM_MS, now());

/** R12: a batch whose last asker died is asked for here; later it is left alone. */
async function concludeBatch(batch: Stored<Batch>, snapshot: CounterSnapshot, deps: SweepBatchesDeps): Promise<void> {
  const { value, etag } = batch;
  if (isUndecided(value)) {
    await deps.completion.afterJobEnded(value.batchId);
    return;
  }
  const lastChange = snapshot.changedAt ?? value.createdAt;
  if (value.unannounced.length === 0 && isOlder(lastChange, REST_AFTER_MS, deps.now())) {
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
 * R10: the same ring under a fresh message id, because the broker may remember the one whose message is gone.
 *
 * R13: a job whose insert or submitter was overtaken by the completion of its batch lies in a complete batch, and its row
 * does not say so, as a requeued one's would. Whoever rings for it reopens the batch first.
 */
async function ringOrphans(
  batch: Batch,
  bells: Map<string, Promise<ReadonlySet<string> | undefined>>,
  { jobs, queue, completion, unreadable, now }: SweepBatchesDeps,
): Promise<number> {
  let count = 0;
  let mustReopen = isComplete(batch);
  for await (const { value: job, etag } of jobs.scan(batch, "queued", unreadable.note)) {
    if (!isOlder(waitingSince(job), RING_GRACE_MS, now())) continue;
    const queueName = jobQueueName(job.pool, job.priority);
    const known = bells.get(queueName) ?? bellsIn(queue, queueName);
    bells.set(queueName, known);
    const present = await known;
    if (present === undefined || hasBell(present, job)) continue;
    // A bell that was taken a moment ago is in no queue any more: the row tells whether it was claimed.
    if (!(await isStillQueued(jobs, job))) continue;
    if (mustReopen) await completion.reopenBatch(batch.batchId);
    mustReopen = false;
    await queue.send(queueName, [
      {
        bell: bellOf(job, etag),
        messageId: `${bellMessageId(job.jobId, job.ring)}:${randomUUID()}`,
        enqueueAt: job.runAt,
      },
    ]);
    count++;
  }
  return count;
}

async function isStillQueued(jobs: Pick<JobStore, "get">, { jobId, ring }: Job): Promise<boolean> {
  const current = (await jobs.get(jobId))?.value;
  return current?.state === "queued" && current.ring === ring;
}

// Ends jobs of a canceled batch that the cancel did not reach: whoever inserted them had found the batch open, and died
// before it could see that it was not any more.

export interface CancelOvertakenDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "scan" | "update">;
  readonly completion: BatchCompletion;
  readonly unreadable: Pick<Unreadable, "note">;
}

/** Step 8 of the protocol for each, then the question to the batch. Resolves to the number of jobs. */
async function cancelOvertaken(batch: Batch, deps: CancelOvertakenDeps): Promise<number> {
  const { jobs, completion, unreadable, now } = deps;
  let count = 0;
  for await (const stored of jobs.scan(batch, "queued", unreadable.note)) {
    if (!wasNeverStarted(stored.value) || !isOlder(stored.value.submittedAt, RING_GRACE_MS, now())) continue;
    // R13: one the completion of the batch has passed over.
    if (count === 0 && isComplete(batch)) await completion.reopenBatch(batch.batchId);
    await cancelJob(stored, deps);
    count++;
  }
  if (count > 0) await completion.afterJobEnded(batch.batchId);
  return count;
}

/** A requeue of a canceled batch's jobs makes them run although the batch stays canceled: they wait under a later ring. */
const wasNeverStarted = ({ ring }: Job): boolean => ring === 1;

// Which bells lie in a queue, and which queued rows have none.

/** Above this many messages a queue is not searched: it has work, and its orphans wait for a quieter hour. */
const BELLS_MAX = 20_000;
const PEEK_PAGE = 250;
/** A row that became queued less than this ago may still be seen to by whoever wrote it. */
const RING_GRACE_MS = 30_000;

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

/** Since when the row waits for its bell, at the latest. */
function waitingSince(job: Pick<Job, "runAt" | "submittedAt" | "history">): Date {
  return job.runAt ?? job.history.at(-1)?.endedAt ?? job.submittedAt;
}

const isOlder = (at: Date | undefined, ms: number, now: Date): boolean =>
  at === undefined || now.getTime() - at.getTime() > ms;
