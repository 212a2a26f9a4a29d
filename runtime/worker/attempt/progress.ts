/**
 * Takes what a job reports of its progress to its row (step 4 of the protocol) and to those who follow its events, neither
 * more often than people read it. Progress may be lost, the job may not.
 */
import { messageOf } from "../../core/errors.ts";
import type { EventJob } from "../../core/job/events.ts";
import type { HistoryEntry, Progress } from "../../core/job/job.ts";
import { PROGRESS_EVENT_EVERY_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { OwnedRow } from "./owned-row.ts";

export interface ProgressDeps {
  readonly row: Pick<OwnedRow, "write">;
  readonly events: JobEvents;
  readonly job: EventJob;
  readonly entry: HistoryEntry;
  readonly log: Logger;
}

export interface FollowedProgress {
  readonly report: (progress: Progress) => void;
  /**
   * Sends the last event and stops writing. Resolves when no write is under way, to the last progress; the row's final
   * write has to bring it.
   */
  stop(): Promise<Progress | undefined>;
}

export function followProgress(deps: ProgressDeps): FollowedProgress {
  const writer = createRowWriter(deps);
  const sender = createEventSender(deps);
  return {
    report(progress) {
      writer.report(progress);
      sender.report(progress);
    },
    stop() {
      sender.stop();
      return writer.stop();
    },
  };
}

/** Shortest time between two writes for one job. */
const WRITE_EVERY_MS = 1_000;

function createRowWriter({ row, log }: Pick<ProgressDeps, "row" | "log">): FollowedProgress {
  let latest: Progress | undefined;
  let unwritten = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function write(): void {
    timer = setTimeout(() => {
      timer = undefined;
      if (unwritten && !stopped) write();
    }, WRITE_EVERY_MS);
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

/** The last progress is always sent. */
function createEventSender({ events, job, entry }: Pick<ProgressDeps, "events" | "job" | "entry">) {
  let unsent: Progress | undefined;
  let number = 0;
  let timer: NodeJS.Timeout | undefined;

  function send(): void {
    if (unsent !== undefined) events.progressed(job, entry, unsent, ++number);
    unsent = undefined;
  }

  function sendRegularly(): void {
    timer = undefined;
    if (unsent === undefined) return;
    send();
    timer = setTimeout(sendRegularly, PROGRESS_EVENT_EVERY_MS);
  }

  return {
    report(progress: Progress) {
      unsent = progress;
      if (timer === undefined) sendRegularly();
    },
    stop() {
      clearTimeout(timer);
      send();
    },
  };
}
