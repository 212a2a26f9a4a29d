/** The log of one start of a job as it grows: from where the caller stands until that start has ended. */
import { FOLLOW_LOG_EVERY_MS, FOLLOW_LOG_MAX_MS } from "../../core/limits.ts";
import type { HistoryEntry, Job } from "../../core/job/job.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import { isTerminal } from "../../core/job/states.ts";

export interface FollowLogDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly files: Pick<JobFiles, "openLog">;
  /** Between two looks. Default FOLLOW_LOG_EVERY_MS. */
  readonly followLogEveryMs?: number | undefined;
  /** Resolves after that many milliseconds, or as soon as the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: () => number;
}

export interface FollowLogRequest {
  readonly jobId: string;
  /** Undefined: the latest, or the one that comes next. */
  readonly execution: number | undefined;
  readonly fromByte: number;
  /** Asked before each further look: whoever may no longer read gets no more. Default: always. */
  readonly mayRead?: () => Promise<boolean>;
  /** Fires when nobody listens any more. */
  readonly gone: AbortSignal;
}

export async function* followLog(
  { jobId, execution: asked, fromByte, gone, mayRead = () => Promise.resolve(true) }: FollowLogRequest,
  { jobs, files, sleep, monotonicNow, followLogEveryMs = FOLLOW_LOG_EVERY_MS }: FollowLogDeps,
): AsyncGenerator<Uint8Array> {
  const until = monotonicNow() + FOLLOW_LOG_MAX_MS;
  let execution = asked;
  let at = fromByte;
  while (monotonicNow() < until && !gone.aborted) {
    const job = (await jobs.get(jobId))?.value;
    if (job === undefined) return;
    const entry = entryOf(job, execution);
    // A later start must not be taken for this one.
    execution ??= entry?.execution;
    // The row was read before the log: when it says that this start has ended, the log is complete.
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

/** The start that is asked for; undefined: it has not begun, or is no longer in the history. */
export const entryOf = (job: Pick<Job, "history">, execution: number | undefined): HistoryEntry | undefined =>
  execution === undefined ? job.history.at(-1) : job.history.find((entry) => entry.execution === execution);

/** Whether nothing more can come: the start has ended, or been replaced by another. */
const hasEnded = (job: Job, { outcome, claimId }: HistoryEntry): boolean =>
  isTerminal(job.state) || outcome !== undefined || job.claim?.id !== claimId;

/** Whether a start that is not in the history never will be: the job has ended, or forgotten it. */
const cannotBegin = (job: Job, execution = Infinity): boolean => isTerminal(job.state) || execution <= job.executions;
