/**
 * Writes a job's progress to its row, not more often than people read it (step 4 of the protocol). Progress may be lost,
 * the job may not.
 */
import { messageOf } from "../core/errors.ts";
import type { Progress } from "../core/job.ts";
import type { Logger } from "../core/logger.ts";
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
