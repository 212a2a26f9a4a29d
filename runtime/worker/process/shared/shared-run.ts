/** One job in a shared child, from the moment it was handed over. It ends when it reports its end, or with the child. */
import type { JobReports } from "../module/job-reports.ts";
import type { Workspace } from "../files/workspace.ts";
import { type Ended, type Failed, type Run, type Stop, within } from "../run.ts";

/** Why the process was ended, as the end of "because …", and what it means for a job that was alone in it. */
export interface EndCause {
  readonly why: string;
  readonly fault?: Failed;
}

export interface SharedRunDeps {
  readonly pid: number;
  /** Undefined until the job asks for it. */
  readonly workspace: () => Workspace | undefined;
  readonly reports: JobReports;
  /** The child is gone; how the jobs end that were in it. */
  readonly over: Promise<Ended>;
  readonly stop: (reason: Stop) => void;
  /** When the child last answered, in terms of `performance.now()`. */
  readonly answeredAt: () => number;
  readonly hasCompany: () => boolean;
  /** Of a job that is killed, before the process is ended. */
  readonly killPatienceMs: number;
  /** Ends the child, for all jobs in it. */
  readonly end: (why: EndCause) => void;
}

export function createSharedRun({
  pid,
  workspace,
  reports,
  over,
  stop,
  answeredAt,
  hasCompany,
  killPatienceMs,
  end,
}: SharedRunDeps): Run {
  const finished = Promise.race([reports.ended, over]);
  let stoppedAt: number | undefined;
  let excused = false;

  /** The first reason counts. */
  function requestStop(reason: Stop): number {
    if (stoppedAt !== undefined) return stoppedAt;
    stop(reason);
    return (stoppedAt = performance.now());
  }

  return {
    pid,
    get workspace() {
      return workspace();
    },
    // The child watches its memory for all jobs in it.
    tree: undefined,
    endReported: reports.ended,
    finished,
    drained: Promise.resolve(),
    stop: requestStop,
    async clear() {
      if (reports.end() !== undefined) return 0;
      const since = requestStop("lost");
      // Ending the child interrupts all other jobs in it. A job that stops in time saves them.
      await within(Math.max(0, since + killPatienceMs - performance.now()), finished);
      if (reports.end() !== undefined) return 0;
      excused = answeredAt() < since && hasCompany();
      end({ why: "another job in it did not end when it had to" });
      await over;
      return 0;
    },
    async conclude() {
      const reported = reports.end();
      if (reported !== undefined) return { ...reported, reported: true };
      reports.flush();
      return { ended: await over, reported: false, stopping: false, excused };
    },
    destroy: () => undefined,
  };
}
