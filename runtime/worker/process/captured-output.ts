/** Reads what a process prints, line by line, no faster than a worker can bear. */
import type { ChildProcess } from "node:child_process";
import { splitLines } from "./line-splitter.ts";
import { readPaced } from "./paced-reader.ts";
import { LOG_LINE_MAX_BYTES, READ_WINDOW_BYTES, READ_WINDOW_MS } from "./process-limits.ts";

export type OutputSource = "out" | "err";

/** Resolves when both pipes have ended; the last line needs no line break. */
export async function captureOutput(
  child: ChildProcess,
  onLine: (source: OutputSource, line: Buffer) => void,
): Promise<void> {
  const pace = { windowMs: READ_WINDOW_MS, windowBytes: READ_WINDOW_BYTES };
  const pipes = [
    { source: "out", stream: child.stdout },
    { source: "err", stream: child.stderr },
  ] as const;
  await Promise.all(
    pipes.map(async ({ source, stream }) => {
      if (stream === null) return;
      const lines = splitLines(LOG_LINE_MAX_BYTES, (line) => onLine(source, line));
      await readPaced(stream, pace, (chunk) => lines.push(chunk));
      lines.end();
    }),
  );
}
