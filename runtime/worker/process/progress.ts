/** Progress on its way from a job to its row: checked, cut to size, merged. Used on both sides of the pipe. */
import type { Progress } from "../../core/job/job.ts";
import { PROGRESS_TEXT_MAX_LENGTH } from "../../core/limits.ts";

/** What a job reported, made presentable; undefined if nothing is left of it. */
export function presentable(reported: { readonly fraction?: unknown; readonly text?: unknown }): Progress | undefined {
  const { fraction, text } = reported;
  const isNumber = typeof fraction === "number" && !Number.isNaN(fraction);
  const words = typeof text === "string" ? plainText(text) : "";
  if (!isNumber && words === "") return undefined;
  return {
    ...(isNumber ? { fraction: Math.min(1, Math.max(0, fraction)) } : {}),
    ...(words === "" ? {} : { text: words }),
  };
}

/** One line without control characters, at most PROGRESS_TEXT_MAX_LENGTH long. */
function plainText(text: string): string {
  const line = text
    .slice(0, 2 * PROGRESS_TEXT_MAX_LENGTH)
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim();
  const short = line.length > PROGRESS_TEXT_MAX_LENGTH ? `${line.slice(0, PROGRESS_TEXT_MAX_LENGTH - 1)}…` : line;
  // Cutting may have split a character in two.
  return short.toWellFormed();
}

export interface ProgressMerger {
  readonly report: (progress: Progress) => void;
  /** Passes on what still waits. */
  flush(): void;
}

/** Passes the first report on at once and then the latest, at most once per interval. */
export function mergeProgress(intervalMs: number, onProgress: (progress: Progress) => void): ProgressMerger {
  let latest: Progress | undefined;
  let timer: NodeJS.Timeout | undefined;

  function pass(): void {
    timer = undefined;
    if (latest === undefined) return;
    const progress = latest;
    latest = undefined;
    // Unreferenced: waiting to report does not keep a job's process alive.
    timer = setTimeout(pass, intervalMs).unref();
    onProgress(progress);
  }

  return {
    report(progress) {
      latest = progress;
      if (timer === undefined) pass();
    },
    flush() {
      clearTimeout(timer);
      pass();
      clearTimeout(timer);
    },
  };
}
