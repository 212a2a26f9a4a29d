/** Figures about a run, in addition to its checks: how often jobs were started, and how fast they recovered. */
import type { History, JobChange } from "./replay.ts";
import { isStart } from "./run-facts.ts";

/** A worker that was killed, or paused for longer than its locks lasted. */
export interface WorkerLoss {
  readonly at: number;
  readonly workerId: string;
}

export interface Measures {
  /** Starts of jobs. */
  readonly executions: number;
  /** Starts that followed a recorded interruption. */
  readonly redeliveries: number;
  /** The time from a worker's loss to the next start, or the end, of each of its jobs. Undefined: it had none. */
  readonly recoverySecondsP50: number | undefined;
  readonly recoverySecondsP99: number | undefined;
}

export function measure({ changes }: History, losses: readonly WorkerLoss[]): Measures {
  const starts = changes.filter(isStart);
  const interruptedBefore = (start: JobChange): boolean =>
    start.after.interruptions > (lastStartBefore(starts, start)?.after.interruptions ?? 0);
  const recoveries = losses.flatMap((loss) => recoverySeconds(changes, loss)).sort((a, b) => a - b);
  return {
    executions: starts.length,
    redeliveries: starts.filter(interruptedBefore).length,
    recoverySecondsP50: percentile(recoveries, 0.5),
    recoverySecondsP99: percentile(recoveries, 0.99),
  };
}

const lastStartBefore = (starts: readonly JobChange[], start: JobChange): JobChange | undefined =>
  starts.slice(0, starts.indexOf(start)).findLast(({ jobId }) => jobId === start.jobId);

/** One number for each job that ran on the worker when it was lost. */
function recoverySeconds(changes: readonly JobChange[], { at, workerId }: WorkerLoss): number[] {
  const last = new Map<string, JobChange>();
  for (const change of changes) if (change.at <= at) last.set(change.jobId, change);
  return [...last.values()].flatMap(({ jobId, after }) => {
    if (after.state !== "running" || after.claimWorker !== workerId) return [];
    const next = changes.find(
      (change) =>
        change.at > at &&
        change.jobId === jobId &&
        (isStart(change) || !["running", "queued"].includes(change.after.state)),
    );
    return next === undefined ? [] : [(next.at - at) / 1_000];
  });
}

/** The value that the given share of a sorted list does not exceed. */
export function percentile(sorted: readonly number[], share: number): number | undefined {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? undefined : Math.round(value * 10) / 10;
}
