/**
 * What must let a job start beside its own row. Runs of timers have an admission (`timers/run`). A worker without one
 * starts every queued job.
 */
import type { Job } from "../job/job.ts";
import type { Logger } from "../logger.ts";
import type { Tick } from "../timer/tick.ts";
import type { ReceivedMessage } from "./job-queue.ts";
import type { Stored } from "./stored.ts";

export interface AdmissionContext {
  readonly delivery: Pick<ReceivedMessage, "complete">;
  /** When it fires, its reason is thrown. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export type Admitted =
  /** To be claimed now, on the version of the row that was admitted. `fence`: larger than that of every start before. */
  | { readonly kind: "passed"; readonly fence: number }
  /** The message is settled: the job waits, or has ended without a start. */
  | { readonly kind: "settled" }
  /** The row has moved: read it again. */
  | { readonly kind: "moved" };

export interface Admission {
  /** Whether this job is admitted. Its row is then read before the first write. */
  appliesTo(jobId: string): boolean;
  /**
   * Runs the claim of a job, one at a time for all jobs that exclude each other, in the order of the calls: messages that
   * come together must not overtake each other. Others run at once.
   */
  inTurn<T>(jobId: string, claim: () => Promise<T>): Promise<T>;
  /** Decides about a queued row that has just been read. Throws UnavailableError. */
  admit(row: Stored<Job>, context: AdmissionContext): Promise<Admitted>;
  /** The fence of a start that is not admitted again: a takeover, or an own claim whose answer was lost. */
  renewFence(job: Job): Promise<number>;
}

/** Inserts the row that a tick stands for. False: there is nothing to run, and the message is settled. */
export type TickHandler = (tick: Tick, context: Omit<AdmissionContext, "signal">) => Promise<boolean>;
