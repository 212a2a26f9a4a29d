/** What to write on a row to cancel a job, and to run an ended job again. */
import type { Job } from "./job.ts";
import type { JobChanges } from "../ports/job-store.ts";
import { isTerminal, type JobState } from "./states.ts";

export type CancelDecision =
  /** Not started: it never will be (step 8). */
  | { readonly action: "end"; readonly to: "canceled"; readonly changes: JobChanges }
  /** Its worker is asked to end it (step 8'). */
  | { readonly action: "ask"; readonly to: "running"; readonly changes: JobChanges }
  /** Asked already, or canceled already. */
  | { readonly action: "none" }
  /** It has succeeded or failed. */
  | { readonly action: "too-late" };

export function cancelOf(job: Pick<Job, "state" | "cancelWanted">, now: Date): CancelDecision {
  switch (job.state) {
    case "queued":
      return { action: "end", to: "canceled", changes: { endedAt: now, runAt: undefined } };
    case "running":
      return job.cancelWanted ? { action: "none" } : { action: "ask", to: "running", changes: { cancelWanted: true } };
    case "canceled":
      return { action: "none" };
    case "succeeded":
    case "failed":
      return { action: "too-late" };
  }
}

export interface RequeueDecision {
  readonly from: JobState;
  readonly to: "queued";
  readonly changes: JobChanges;
}

/**
 * Step 9: back to queued with counters at zero, under the next ring; history and executions stay. With `reopen` the
 * claiming worker reopens the batch first, in case the requeuing process died before. Undefined: the job has not ended.
 */
export function requeueOf(job: Pick<Job, "state" | "ring">): RequeueDecision | undefined {
  if (!isTerminal(job.state)) return undefined;
  return {
    from: job.state,
    to: "queued",
    changes: {
      ring: job.ring + 1,
      attempts: 0,
      interruptions: 0,
      cancelWanted: false,
      claim: undefined,
      reopen: true,
      runAt: undefined,
      // A requeue means that the job must run, however late.
      expiresAt: undefined,
      startedAt: undefined,
      endedAt: undefined,
      progress: undefined,
      output: undefined,
      failure: undefined,
      artifactCount: 0,
    },
  };
}
