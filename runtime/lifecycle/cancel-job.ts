/**
 * Cancels one job, whatever it is doing: a queued one ends here, a running one is ended by its worker (steps 8 and 8'
 * of the protocol). The caller looks at the batch afterwards, since it may have canceled many.
 */
import { cancelOf } from "../core/job/cancel-requeue.ts";
import { UnavailableError } from "../core/errors.ts";
import type { Job } from "../core/job/job.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { WorkerStore } from "../core/ports/worker-store.ts";
import type { JobEvents } from "./job-events.ts";
import type { AfterPlaceLeft } from "./limits/wake-line.ts";
import type { Clock } from "../core/clock.ts";

export type CancelResult =
  /** It has ended as canceled, now or before. */
  | { readonly outcome: "canceled"; readonly job: Job }
  /** The cancel was requested of its worker, now or before. It ends as canceled unless it succeeds first. */
  | { readonly outcome: "requested"; readonly job: Job }
  /** It has ended otherwise. */
  | { readonly outcome: "too-late"; readonly job: Job }
  | { readonly outcome: "gone" };

export interface CancelDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly workers: Pick<WorkerStore, "requestCancel">;
  readonly events: JobEvents;
  /** Wakes those that wait for its place. Default: no limit holds. */
  readonly placeLeft?: AfterPlaceLeft | undefined;
  readonly now: Clock["now"];
}

/** A running job's row moves with its progress, a few times a second at most. */
const TRIES = 50;

/** `stored` may be stale: the decision is made on the row as it is now. Throws UnavailableError. */
export async function cancelJob(
  stored: Stored<Job>,
  { jobs, workers, events, placeLeft, now }: CancelDeps,
): Promise<CancelResult> {
  let current: Stored<Job> | undefined = stored;
  for (let tries = 0; tries < TRIES; tries++) {
    if (current === undefined) return { outcome: "gone" };
    const job: Job = current.value;
    const decision = cancelOf(job, now());
    if (decision.action === "too-late") return { outcome: "too-late", job };
    if (decision.action === "none")
      return job.state === "canceled" ? { outcome: "canceled", job } : request(job, workers);
    const { to, changes } = decision;
    const result = await jobs.update({
      jobId: job.jobId,
      etag: current.etag,
      from: job.state,
      to,
      changes,
      facts: job,
    });
    if (result.written) {
      const canceled = { ...job, ...changes, state: to };
      if (to !== "canceled") return request(canceled, workers);
      events.completedRow(canceled);
      events.measures.ended(canceled, to);
      await placeLeft?.(canceled);
      return { outcome: "canceled", job: canceled };
    }
    current = result.current;
  }
  throw new UnavailableError(
    "StorageUnavailable",
    `Job ${stored.value.jobId} changed each time it was to be canceled.`,
  );
}

/**
 * Ends a job that waits, and leaves one alone that is running or has ended. True: this call ended it. `stored` may be stale.
 * Throws UnavailableError.
 */
export async function cancelQueued(
  stored: Stored<Job>,
  { jobs, events, now }: Pick<CancelDeps, "jobs" | "events" | "now">,
): Promise<boolean> {
  let current: Stored<Job> | undefined = stored;
  for (let tries = 0; tries < TRIES; tries++) {
    if (current?.value.state !== "queued") return false;
    const job: Job = current.value;
    const changes = { endedAt: now(), runAt: undefined };
    const result = await jobs.update({ jobId: job.jobId, etag: current.etag, from: "queued", to: "canceled", changes });
    if (result.written) {
      const canceled = { ...job, ...changes, state: "canceled" } as const;
      events.completedRow(canceled);
      events.measures.ended(canceled, "canceled");
      return true;
    }
    current = result.current;
  }
  throw new UnavailableError(
    "StorageUnavailable",
    `Job ${stored.value.jobId} changed each time it was to be canceled.`,
  );
}

/**
 * The row already says it, and the worker finds it there at its next write. The note on the worker's row makes that
 * faster. It is left again on a repeat, because the first caller may have died in between.
 */
async function request(job: Job, workers: CancelDeps["workers"]): Promise<CancelResult> {
  const { claim, jobId, pool } = job;
  if (claim !== undefined) await workers.requestCancel(pool, claim.workerId, { jobId, claimId: claim.id });
  return { outcome: "requested", job };
}
