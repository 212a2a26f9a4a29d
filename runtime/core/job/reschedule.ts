/** What to write on a row so that a job that waits starts at another time. */
import type { JobChanges } from "../ports/job-store.ts";
import type { Job } from "./job.ts";

export type RescheduleDecision =
  | { readonly action: "write"; readonly to: "queued"; readonly changes: JobChanges }
  /** It waits for this very time, perhaps by a call whose answer was lost. */
  | { readonly action: "none" }
  /** It runs or has ended. */
  | { readonly action: "not-queued" };

/**
 * Step 13: still queued, under the next ring (R35). A bell for the time before meets a row with a later ring, so it sends
 * the bell of the new time and starts nothing (R6). The time to live counts from the new time, as from the first one.
 */
export function rescheduleOf(
  job: Pick<Job, "state" | "ring" | "runAt" | "submittedAt" | "expiresAt">,
  runAt: Date,
): RescheduleDecision {
  if (job.state !== "queued") return { action: "not-queued" };
  if (job.runAt?.getTime() === runAt.getTime()) return { action: "none" };
  const { expiresAt } = job;
  const before = job.runAt ?? job.submittedAt;
  return {
    action: "write",
    to: "queued",
    changes: {
      ring: job.ring + 1,
      runAt,
      ...(expiresAt && { expiresAt: new Date(expiresAt.getTime() + runAt.getTime() - before.getTime()) }),
    },
  };
}
