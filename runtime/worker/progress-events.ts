/** Tells the progress of one attempt, not more often than people see it; the last one is always told. */
import type { EventJob } from "../core/events.ts";
import type { HistoryEntry, Progress } from "../core/job.ts";
import { PROGRESS_EVENT_EVERY_MS } from "../core/limits.ts";
import type { JobEvents } from "../jobs/job-events.ts";

export interface ProgressEvents {
  report(progress: Progress): void;
  /** Tells what has not been told yet. */
  stop(): void;
}

export interface ProgressEventsDeps {
  readonly events: JobEvents;
  readonly job: EventJob;
  readonly entry: HistoryEntry;
}

export function createProgressEvents({ events, job, entry }: ProgressEventsDeps): ProgressEvents {
  let untold: Progress | undefined;
  let number = 0;
  let timer: NodeJS.Timeout | undefined;

  function tell(): void {
    timer = undefined;
    if (untold === undefined) return;
    events.progressed(job, entry, untold, ++number);
    untold = undefined;
    timer = setTimeout(tell, PROGRESS_EVENT_EVERY_MS);
  }

  return {
    report(progress) {
      untold = progress;
      if (timer === undefined) tell();
    },
    stop() {
      clearTimeout(timer);
      if (untold !== undefined) events.progressed(job, entry, untold, ++number);
      untold = undefined;
    },
  };
}
