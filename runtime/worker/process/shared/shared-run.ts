/** One job in a shared child, from the moment it was handed over. Only its own return or the child's end end it. */
import type { JobHearing } from "../job-hearing.ts";
import { KILL_PATIENCE_MS } from "../process-limits.ts";
import { type Ended, type Failed, type Run, type Stop, within } from "../run.ts";

/** Why the process was ended, as the end of "because …", and what it means for a job that was alone in it. */
export interface EndCause {
  readonly why: string;
  readonly fault?: Failed;
}

export interface SharedRunDeps {
  readonly pid: number;
  readonly hearing: JobHearing;
  /** The child is gone; how those end who were in it. */
  readonly over: Promise<Ended>;
  readonly stop: (reason: Stop) => void;
  /** When the child last answered, in terms of `performance.now()`. */
  readonly answeredAt: () => number;
  readonly hasCompany: () => boolean;
  /** Ends the child, for all who are in it. */
  readonly end: (why: EndCause) => void;
}

export function createSharedRun({ pid, hearing, over, stop, answeredAt, hasCompany, end }: SharedRunDeps): Run {
  const finished = Promise.race([hearing.told, over]);
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
    // The child watches its memory for all who are in it.
    tree: undefined,
    told: hearing.told,
    finished,
    drained: Promise.resolve(),
    stop: requestStop,
    async clear() {
      if (hearing.end() !== undefined) return 0;
      const since = requestStop("lost");
      // Ending the child costs all others in it their run: a job that notices at once saves them.
      await within(Math.max(0, since + KILL_PATIENCE_MS - performance.now()), finished);
      if (hearing.end() !== undefined) return 0;
      excused = answeredAt() < since && hasCompany();
      end({ why: "another job in it did not end when it had to" });
      await over;
      return 0;
    },
    async conclude() {
      const told = hearing.end();
      if (told !== undefined) return { ...told, told: true };
      hearing.flush();
      return { ended: await over, told: false, stopping: false, excused };
    },
    destroy: () => undefined,
  };
}
