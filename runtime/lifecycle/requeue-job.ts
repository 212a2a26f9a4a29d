/**
 * Makes ended jobs run again (step 9 of the protocol): the rows, then their batches, then the bells, in this order. A
 * crash in between leaves queued rows whose `reopen` and missing bell are made good by whoever finds them.
 */
import { requeueOf } from "../core/job/cancel-requeue.ts";
import { UnavailableError } from "../core/errors.ts";
import type { Job } from "../core/job/job.ts";
import { type OutgoingBell, outgoingBell } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import type { BatchCompletion } from "./batch-completion.ts";
import type { JobEvents } from "./job-events.ts";

export type RequeueResult =
  | { readonly outcome: "requeued"; readonly job: Job }
  /** It had returned to queued before, perhaps by a call whose answer was lost: its bell has been sent once more. */
  | { readonly outcome: "rung-again"; readonly job: Job }
  | { readonly outcome: "not-ended"; readonly job: Job }
  | { readonly outcome: "gone" };

export interface RequeueDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly completion: Pick<BatchCompletion, "reopenBatch">;
  readonly events: JobEvents;
  readonly ring: (queueName: string, bells: readonly OutgoingBell[]) => Promise<void>;
}

/** Whoever refuses the write of an ended job has requeued it, and only a purge or another requeue can follow. */
const TRIES = 20;

/**
 * Results in the order of the rows, which may be stale: each is decided upon as it is now. When a row cannot be
 * written, the others are requeued all the same before this throws (UnavailableError).
 */
export async function requeueJobs(
  rows: readonly Stored<Job>[],
  { jobs, completion, events, ring }: RequeueDeps,
): Promise<readonly RequeueResult[]> {
  const written = await Promise.allSettled(rows.map((row) => returnToQueue(row, jobs, events)));
  const returned = written.flatMap((one) => (one.status === "fulfilled" && one.value.queued ? [one.value.queued] : []));

  const reopening = returned.filter(({ value }) => value.reopen).map(({ value }) => value.batchId);
  for (const batchId of new Set(reopening)) await completion.reopenBatch(batchId);

  const bells = Map.groupBy(returned, ({ value }) => jobQueueName(value.pool, value.priority));
  await Promise.all([...bells].map(([queueName, ofQueue]) => ring(queueName, ofQueue.map(outgoingBell))));

  return written.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value.result;
  });
}

interface Returned {
  readonly result: RequeueResult;
  /** The row that waits for its bell. */
  readonly queued?: Stored<Job>;
}

async function returnToQueue(
  stored: Stored<Job>,
  jobs: RequeueDeps["jobs"],
  events: RequeueDeps["events"],
): Promise<Returned> {
  let current: Stored<Job> | undefined = stored;
  let triedRing: number | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    if (current === undefined) return { result: { outcome: "gone" } };
    const job: Job = current.value;
    // Under the ring that was to be written, or a later one: the job has been requeued, whoever did it.
    if (triedRing !== undefined && job.ring >= triedRing && job.state !== "queued") {
      return { result: { outcome: "requeued", job } };
    }
    const decision = requeueOf(job);
    if (decision === undefined) {
      return job.state === "queued" && job.ring > 1
        ? { result: { outcome: "rung-again", job }, queued: current }
        : { result: { outcome: "not-ended", job } };
    }
    const { from, to, changes } = decision;
    const result = await jobs.update({ jobId: job.jobId, etag: current.etag, from, to, changes });
    if (result.written) {
      const requeued = { ...job, ...changes, state: to };
      events.queued(requeued);
      return { result: { outcome: "requeued", job: requeued }, queued: { value: requeued, etag: result.etag } };
    }
    triedRing = job.ring + 1;
    current = result.current;
  }
  throw new UnavailableError(
    "StorageUnavailable",
    `Job ${stored.value.jobId} changed each time it was to be requeued.`,
  );
}
