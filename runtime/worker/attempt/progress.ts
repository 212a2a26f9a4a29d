/**
 * Writes a job's progress to its row, not more often than people read it (step 4 of the protocol). Progress may be lost,
 * the job may not.
 */
import { messageOf } from "../../core/errors.ts";
import type { EventJob } from "../../core/job/events.ts";
import type { HistoryEntry, Progress } from "../../core/job/job.ts";
import { PROGRESS_EVENT_EVERY_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { OwnedRow } from "./owned-row.ts";

/** Shortest time between two writes for one job. */
const INTERVAL_MS = 1_000;

export interface ProgressWriter {
  report(progress: Progress): void;
  /** Stops writing and resolves when nothing is under way; what is not written yet goes into the final write. */
  stop(): Promise<Progress | undefined>;
}

export function createProgressWriter(row: Pick<OwnedRow, "write">, log: Logger): ProgressWriter {
  let latest: Progress | undefined;
  let unwritten = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function write(): void {
    timer = setTimeout(() => {
      timer = undefined;
      if (unwritten && !stopped) write();
    }, INTERVAL_MS);
    unwritten = false;
    writing = row
      .write(() => ({ to: "running", changes: { progress: latest } }))
      .then(() => undefined)
      .catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "progress not written");
      });
  }

  return {
    report(progress) {
      latest = progress;
      unwritten = true;
      if (timer === undefined && !stopped) write();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await writing;
      return latest;
    },
  };
}

// Tells the progress of one attempt, not more often than people see it; the last one is always told.

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
