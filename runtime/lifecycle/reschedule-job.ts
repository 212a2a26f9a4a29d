/**
 * Gives jobs that wait another time to start (step 13 of the protocol): the rows, then those that wait for their places,
 * then the bells (R37). After a crash in between, the bell of the time before sends the new one, or the sweeper does.
 */
import { UnavailableError } from "../core/errors.ts";
import { isTimerBatch } from "../core/job/ids.ts";
import type { Job } from "../core/job/job.ts";
import { rescheduleOf } from "../core/job/reschedule.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { JobEvents } from "./job-events.ts";
import type { AfterPlaceLeft } from "./limits/wake-line.ts";
import { type SendBells, type WrittenRow, writeThenRing } from "./write-then-ring.ts";

export type RescheduleOutcome =
  /** It waits for this time, by this call or an earlier one. */
  | { readonly outcome: "rescheduled"; readonly job: Job }
  | { readonly outcome: "not-queued"; readonly job: Job }
  /** Its timer decides when it starts. */
  | { readonly outcome: "of-timer"; readonly job: Job }
  | { readonly outcome: "gone" };

export interface RescheduleDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly events: JobEvents;
  /** Before the first bell of a job with a unique key (R43). False: it was canceled. */
  readonly placeUnique: (stored: Stored<Job>) => Promise<boolean>;
  /** Wakes those that wait for its place in a line (R39). Default: no limit holds. */
  readonly placeLeft?: AfterPlaceLeft | undefined;
  readonly sendBells: SendBells;
}

/** A queued row moves only when it is claimed, canceled or rescheduled. */
const TRIES = 20;

/**
 * Results are in the order of the rows. Rows may be stale: each decision is made on the row as it is now. When a row
 * cannot be written, the others are still rescheduled before this throws (UnavailableError).
 */
export async function rescheduleJobs(
  rows: readonly Stored<Job>[],
  runAt: Date,
  deps: RescheduleDeps,
): Promise<readonly RescheduleOutcome[]> {
  return writeThenRing(rows, { write: (row) => moveTo(runAt, row, deps), sendBells: deps.sendBells });
}

async function moveTo(runAt: Date, stored: Stored<Job>, deps: RescheduleDeps): Promise<WrittenRow<RescheduleOutcome>> {
  const { jobs, events, placeUnique, placeLeft } = deps;
  let current: Stored<Job> | undefined = stored;
  let triedRing: number | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    if (current === undefined) return { result: { outcome: "gone" } };
    const job: Job = current.value;
    // The write has landed, its answer was lost, and the job has started since.
    if (triedRing !== undefined && job.ring >= triedRing && job.state !== "queued") {
      return { result: { outcome: "rescheduled", job } };
    }
    if (isTimerBatch(job.batchId)) return { result: { outcome: "of-timer", job } };
    const decision = rescheduleOf(job, runAt);
    if (decision.action === "not-queued") return { result: { outcome: "not-queued", job } };
    if (decision.action === "none") {
      await placeLeft?.(job);
      return { result: { outcome: "rescheduled", job }, queued: current };
    }
    // Its submitter may have died before its first bell, and under a later ring nobody places the hold any more.
    if (!(await placeUnique(current))) {
      current = await jobs.get(job.jobId);
      continue;
    }
    const { to, changes } = decision;
    const { jobId } = job;
    // R36: on the version that was read.
    const result = await jobs.update({ jobId, etag: current.etag, from: "queued", to, changes, facts: job });
    if (result.written) {
      const moved = { ...job, ...changes };
      events.queued(moved);
      await placeLeft?.(moved);
      return { result: { outcome: "rescheduled", job: moved }, queued: { value: moved, etag: result.etag } };
    }
    triedRing = job.ring + 1;
    current = result.current;
  }
  throw new UnavailableError(
    "StorageUnavailable",
    `Job ${stored.value.jobId} changed each time it was to be rescheduled.`,
  );
}
