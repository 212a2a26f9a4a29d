/**
 * Giving a running job back without its worker: after a drain, when a worker finds its own dead jobs, or when the
 * sweeper finds another's. Also the proof that a claim is dead.
 */
import type { Claim, Failure, HistoryEntry, Job } from "./job.ts";
import { MAX_INTERRUPTIONS } from "../limits.ts";
import type { JobChanges } from "../ports/job-store.ts";
import type { WorkerRecord } from "./worker-record.ts";

/** What to write for a running job whose claim is dead (steps 7, 11 and 12 of the protocol). */
export interface Handback {
  readonly to: "queued" | "canceled" | "failed";
  readonly changes: JobChanges;
}

/** The row's write. When it goes to queued, its new bell is to be sent afterwards. */
export function handbackOf(job: Job, now: Date): Handback {
  const interruptions = job.interruptions + 1;
  const shared: JobChanges = { interruptions, history: closeLastEntry(job, now) };
  // R8: every way out of running honours a wanted cancel.
  if (job.cancelWanted) return { to: "canceled", changes: { ...shared, endedAt: now } };
  if (interruptions > MAX_INTERRUPTIONS) {
    return { to: "failed", changes: { ...shared, endedAt: now, failure: workerLostFailure(job, now) } };
  }
  return {
    to: "queued",
    changes: { ...shared, ring: job.ring + 1, claim: undefined, runAt: undefined, startedAt: undefined },
  };
}

/** The history with the start that died closed as interrupted. */
export function closeLastEntry(job: Pick<Job, "history">, endedAt: Date): HistoryEntry[] {
  const last = job.history.at(-1);
  return last === undefined || last.outcome !== undefined ? [] : [{ ...last, endedAt, outcome: "interrupted" }];
}

export function workerLostFailure(job: Pick<Job, "attempts" | "history">, failedAt: Date): Failure {
  const known = job.history.findLast(({ outcome, code }) => outcome === "interrupted" && code !== undefined);
  const before = known === undefined ? "" : ` Execution ${known.execution} was interrupted by ${known.code}.`;
  return {
    code: "WorkerLost",
    message: `The worker was lost during ${MAX_INTERRUPTIONS + 1} starts of this job.${before}`,
    attempt: job.attempts + 1,
    failedAt,
    retryable: false,
  };
}

/**
 * A4: whether a claim's owner is certainly gone: its worker runs under another boot, has been silent for longer than a
 * lock lasts, or has said since then what it runs and left this claim out. `unknown worker` counts as silent since the
 * claim. A wrong verdict would cost an interruption and a possible overlap, never a wrong write.
 */
export function isClaimDead(
  claim: Claim,
  worker: Pick<WorkerRecord, "bootId" | "heartbeatAt" | "claims" | "state"> | undefined,
  now: number,
  { lockMs, marginMs }: { readonly lockMs: number; readonly marginMs: number },
): boolean {
  const since = claim.since.getTime();
  if (worker === undefined) return now - since > lockMs + marginMs;
  if (worker.bootId !== claim.bootId) return true;
  const heartbeat = worker.heartbeatAt.getTime();
  if (now - heartbeat > lockMs + marginMs) return true;
  return heartbeat > since + marginMs && !worker.claims.includes(claim.id);
}
