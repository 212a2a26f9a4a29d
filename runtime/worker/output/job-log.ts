/** Writes the log of an attempt to storage. A log that cannot be written costs the log, not the job. */
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { Claimed } from "../attempt/claim.ts";
import { retryWhileLocked } from "../attempt/retry-while-locked.ts";
import { logLine } from "../process/log/attempt-log.ts";
import type { JobProcess } from "../process/spec.ts";

export interface LogContext {
  readonly claimed: Pick<Claimed, "jobId" | "claim">;
  /** Fires when the lock is lost or the claim is gone: then nothing is written. */
  readonly lost: AbortSignal;
  readonly log: Logger;
}

export interface LogDeps {
  readonly files: Pick<JobFiles, "appendLog">;
}

/** Waits between appends, longer as the log goes on: a blob takes 50,000 appends, and jobs may run for a week. */
const PAUSE_FIRST_MS = 250;
const PAUSE_GROWTH_MS = 10;
const PAUSE_LONGEST_MS = 30_000;

/** Appends what the job prints while it runs; resolves when all of it is written. */
export async function shipLog(
  process: Pick<JobProcess, "log" | "result">,
  context: LogContext,
  deps: LogDeps,
): Promise<void> {
  let broken = false;
  let pauseMs = PAUSE_FIRST_MS;
  const over = new AbortController();
  void process.result.then(() => over.abort());
  // Read to its end in any case, because the process waits for a reader.
  for await (const chunk of process.log) {
    if (broken || context.lost.aborted) continue;
    broken = !(await append(chunk, context, deps));
    if (broken) continue;
    await sleep(pauseMs, over.signal);
    pauseMs = Math.min(PAUSE_LONGEST_MS, pauseMs + PAUSE_GROWTH_MS);
  }
}

/** Adds lines in the system's name at the end. `now`: milliseconds since the epoch. */
export async function noteInLog(
  lines: readonly string[],
  context: LogContext,
  { files, now }: LogDeps & { readonly now: Clock["now"] },
): Promise<void> {
  await append(Buffer.concat(lines.map((line) => logLine(now(), "sys", line))), context, { files });
}

/** False: the log stays incomplete. */
async function append(chunk: Uint8Array, { claimed, lost, log }: LogContext, { files }: LogDeps): Promise<boolean> {
  const write = (): Promise<void> => files.appendLog(claimed.jobId, claimed.claim.id, chunk);
  try {
    await retryWhileLocked("writing the log", write, { until: lost, log });
    return true;
  } catch (error) {
    log.warn({ error: messageOf(error) }, "the job's log is incomplete");
    return false;
  }
}
