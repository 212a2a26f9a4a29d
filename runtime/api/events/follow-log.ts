/** The log of one start of a job while it grows, from a byte until that start has ended. */
import { FOLLOW_LOG_EVERY_MS, FOLLOW_LOG_MAX_MS } from "../../core/limits.ts";
import type { HistoryEntry, Job } from "../../core/job/job.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import { isTerminal } from "../../core/job/states.ts";
import type { Clock } from "../../core/clock.ts";

export interface FollowLogDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly files: Pick<JobFiles, "openLog">;
  /** Time between two reads. Default FOLLOW_LOG_EVERY_MS. */
  readonly followLogEveryMs?: number | undefined;
  /** Resolves after the time, or as soon as the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
}

export interface FollowLogRequest {
  readonly jobId: string;
  /** Undefined: the latest, or the next one if there is none. */
  readonly execution: number | undefined;
  readonly fromByte: number;
  /** Checked before each further read. False ends the answer. Default: always true. */
  readonly mayRead?: () => Promise<boolean>;
  /** Fires when the client has disconnected. */
  readonly gone: AbortSignal;
}

export async function* followLog(
  { jobId, execution: wanted, fromByte, gone, mayRead = () => Promise.resolve(true) }: FollowLogRequest,
  { jobs, files, sleep, monotonicNow, followLogEveryMs = FOLLOW_LOG_EVERY_MS }: FollowLogDeps,
): AsyncGenerator<Uint8Array> {
  const until = monotonicNow() + FOLLOW_LOG_MAX_MS;
  let execution = wanted;
  let at = fromByte;
  while (monotonicNow() < until && !gone.aborted) {
    const job = (await jobs.get(jobId))?.value;
    if (job === undefined) return;
    const entry = entryOf(job, execution);
    // A later start is another log.
    execution ??= entry?.execution;
    // The row was read before the log. So if the row says that this start has ended, the log is complete.
    const blob = entry && (await files.openLog(jobId, entry.claimId, at));
    for await (const chunk of blob?.stream ?? []) {
      at += chunk.byteLength;
      yield chunk;
    }
    if (entry === undefined ? cannotBegin(job, execution) : hasEnded(job, entry)) return;
    await sleep(followLogEveryMs, gone);
    if (!(await mayRead())) return;
  }
}

/** The start with this number. Undefined: it has not begun, or is not in the history any more. */
export const entryOf = (job: Pick<Job, "history">, execution: number | undefined): HistoryEntry | undefined =>
  execution === undefined ? job.history.at(-1) : job.history.find((entry) => entry.execution === execution);

/** Whether the log is complete: the start has ended, or another one has replaced it. */
const hasEnded = (job: Job, { outcome, claimId }: HistoryEntry): boolean =>
  isTerminal(job.state) || outcome !== undefined || job.claim?.id !== claimId;

/** Whether a start that is not in the history never will be: the job has ended, or its history has dropped it. */
const cannotBegin = (job: Job, execution = Infinity): boolean => isTerminal(job.state) || execution <= job.executions;
