/**
 * Makes ended jobs run again (step 9 of the protocol): the rows, then their batches, then the bells, in this order. After
 * a crash in between, the next process that finds the queued rows reopens their batches and sends their bells.
 */
import { requeueOf } from "../core/job/cancel-requeue.ts";
import { UnavailableError } from "../core/errors.ts";
import type { Job } from "../core/job/job.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { BatchCompletion } from "./batch-completion.ts";
import type { JobEvents } from "./job-events.ts";
import { type SendBells, type WrittenRow, writeThenRing } from "./write-then-ring.ts";

export type RequeueOutcome =
  | { readonly outcome: "requeued"; readonly job: Job }
  /** It had returned to queued before, perhaps by a call whose answer was lost. Its bell was sent again. */
  | { readonly outcome: "bell-resent"; readonly job: Job }
  | { readonly outcome: "not-ended"; readonly job: Job }
  | { readonly outcome: "gone" };

export interface RequeueDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly completion: Pick<BatchCompletion, "reopenBatch">;
  readonly events: JobEvents;
  readonly sendBells: SendBells;
}

/** A write of an ended job is refused only after another requeue; then only a purge or one more requeue can follow. */
const TRIES = 20;

/**
 * Results are in the order of the rows. Rows may be stale: each decision is made on the row as it is now. When a row
 * cannot be written, the others are still requeued before this throws (UnavailableError).
 */
export async function requeueJobs(
  rows: readonly Stored<Job>[],
  { jobs, completion, events, sendBells }: RequeueDeps,
): Promise<readonly RequeueOutcome[]> {
  return writeThenRing(rows, {
    write: (row) => returnToQueue(row, jobs, events),
    async beforeBells(returned) {
      const reopening = returned.filter(({ reopen }) => reopen).map(({ batchId }) => batchId);
      for (const batchId of new Set(reopening)) await completion.reopenBatch(batchId);
    },
    sendBells,
  });
}

async function returnToQueue(
  stored: Stored<Job>,
  jobs: RequeueDeps["jobs"],
  events: RequeueDeps["events"],
): Promise<WrittenRow<RequeueOutcome>> {
  let current: Stored<Job> | undefined = stored;
  let triedRing: number | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    if (current === undefined) return { result: { outcome: "gone" } };
    const job: Job = current.value;
    // It has the ring that was to be written, or a later one: it has been requeued, by this call or another one.
    if (triedRing !== undefined && job.ring >= triedRing && job.state !== "queued") {
      return { result: { outcome: "requeued", job } };
    }
    const decision = requeueOf(job);
    if (decision === undefined) {
      return job.state === "queued" && job.ring > 1
        ? { result: { outcome: "bell-resent", job }, queued: current }
        : { result: { outcome: "not-ended", job } };
    }
    const { from, to, changes } = decision;
    const result = await jobs.update({ jobId: job.jobId, etag: current.etag, from, to, changes, facts: job });
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
