/**
 * Counts what happens to jobs. Every writer of a row calls it after the write, beside the event. Only what a row says is
 * counted, so that the numbers agree with the table.
 */
import { jobIdParts } from "../core/job/ids.ts";
import type { AttemptOutcome, Job } from "../core/job/job.ts";
import type { TerminalState } from "../core/job/states.ts";
import type { TimerName } from "../core/timer/timer.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export type MeasuredJob = Pick<Job, "jobId" | "jobType" | "pool" | "priority">;

export interface JobMeasures {
  submitted(job: MeasuredJob): void;
  ended(job: MeasuredJob, state: TerminalState): void;
  /** An attempt failed, and the job waits for the next one. */
  retried(job: MeasuredJob): void;
  /** The system ended an attempt: one more interruption is in the row. */
  interrupted(job: MeasuredJob): void;
  /** Started again while its row said running. Includes the interruption. */
  takenOver(job: MeasuredJob): void;
  /** From when it could start to its claim. */
  waited(job: MeasuredJob, ms: number): void;
  /** For an attempt that begins. */
  attempt(job: MeasuredJob): MeasuredAttempt;
  /** Ticks of a timer, as its row counts them. */
  ticks(of: MeasuredTimer, outcome: TickOutcome, count?: number): void;
}

export type MeasuredTimer = Pick<TimerName, "tenantName" | "timerName">;
export type TickOutcome = "started" | "late" | "skipped" | "missed";

/** Counts as lost, unless its end is recorded before it is disposed of. */
export interface MeasuredAttempt extends Disposable {
  ended(outcome: AttemptOutcome, ms: number): void;
}

export function createJobMeasures(metrics: Metrics): JobMeasures {
  const of = ({ jobId, jobType: type, pool, priority }: MeasuredJob) => ({
    tenant: jobIdParts(jobId).tenantName,
    ...{ type, pool, priority },
  });
  const interrupted = (job: MeasuredJob): void => metrics.jobInterruptions.add(1, of(job));
  return {
    submitted: (job) => metrics.jobsSubmitted.add(1, of(job)),
    ended: (job, outcome) => metrics.jobsEnded.add(1, { ...of(job), outcome }),
    retried: (job) => metrics.jobRetries.add(1, of(job)),
    interrupted,
    takenOver(job) {
      metrics.jobTakeovers.add(1, of(job));
      interrupted(job);
    },
    waited: (job, ms) => metrics.jobWait.record(ms / 1_000, of(job)),
    attempt(job) {
      let isOver = false;
      return {
        ended(outcome, ms) {
          isOver = true;
          metrics.jobAttempts.add(1, { ...of(job), outcome });
          metrics.jobDuration.record(ms / 1_000, { ...of(job), outcome });
        },
        [Symbol.dispose]() {
          if (!isOver) metrics.jobAttempts.add(1, { ...of(job), outcome: "lost" });
        },
      };
    },
    ticks({ tenantName: tenant, timerName: timer }, outcome, count = 1) {
      if (count > 0) metrics.timerRuns.add(count, { tenant, timer, outcome });
    },
  };
}
