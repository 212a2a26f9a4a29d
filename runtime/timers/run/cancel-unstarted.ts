/** Ends a run of a timer that is not to start, and says why. */
import type { Failure, Job } from "../../core/job/job.ts";
import type { Logger } from "../../core/logger.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { Clock } from "../../core/clock.ts";

export interface CancelUnstartedDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly events: JobEvents;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export type MakeFailure = (attempt: number, failedAt: Date) => Failure;

/** False: the row has moved. Throws UnavailableError. */
export async function cancelUnstarted(
  { value: job, etag }: Stored<Job>,
  failureOf: MakeFailure,
  { jobs, events, now, log }: CancelUnstartedDeps,
): Promise<boolean> {
  const endedAt = now();
  const failure = failureOf(job.attempts + 1, endedAt);
  const changes = { endedAt, failure, runAt: undefined, reopen: false };
  const result = await jobs.update({ jobId: job.jobId, etag, from: "queued", to: "canceled", changes, facts: job });
  if (!result.written) return false;
  // Not `jobId`: it may be another run than the one whose message is at hand.
  log.info({ runJobId: job.jobId, code: failure.code, reason: failure.message }, "the run is left out");
  events.completedRow({ ...job, ...changes, state: "canceled" });
  events.measures.ended(job, "canceled");
  return true;
}

const failureWith =
  (code: "TimerSkipped" | "TimerMissed", message: string): MakeFailure =>
  (attempt, failedAt) => ({ code, message, attempt, failedAt, retryable: false });

export const skippedFailure = (holder: string): MakeFailure =>
  failureWith("TimerSkipped", `${holder} of this timer goes on, and they must not overlap.`);

export const tooLateFailure = failureWith(
  "TimerMissed",
  "The run would have started too late, and the timer's misfire says not to run then.",
);

export const overtakenFailure = failureWith(
  "TimerMissed",
  "Runs for later ticks wait, and the timer's misfire says to run only the latest.",
);

export const recordedFailure = failureWith(
  "TimerMissed",
  "The tick had been recorded as missed before it could run; another run of this timer stands for it.",
);
