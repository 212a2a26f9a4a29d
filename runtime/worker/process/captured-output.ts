/** Reads what a process prints, line by line, no faster than a worker can bear. */
import type { ChildProcess } from "node:child_process";
import { splitLines } from "./line-splitter.ts";
import { readPaced } from "./paced-reader.ts";
import { LOG_LINE_MAX_BYTES, READ_WINDOW_BYTES, READ_WINDOW_MS } from "./process-limits.ts";

export type OutputSource = "out" | "err";

export interface OutputListener {
  readonly line: (source: OutputSource, line: Buffer) => void;
  /** Something was printed, a whole line or not. */
  readonly printed: () => void;
}

/** Resolves when both pipes have ended; the last line needs no line break. */
export async function captureOutput(child: ChildProcess, listener: OutputListener): Promise<void> {
  const pace = { windowMs: READ_WINDOW_MS, windowBytes: READ_WINDOW_BYTES };
  const pipes = [
    { source: "out", stream: child.stdout },
    { source: "err", stream: child.stderr },
  ] as const;
  await Promise.all(
    pipes.map(async ({ source, stream }) => {
      if (stream === null) return;
      const lines = splitLines(LOG_LINE_MAX_BYTES, (line) => listener.line(source, line));
      await readPaced(stream, pace, (chunk) => {
        listener.printed();
        lines.push(chunk);
      });
      lines.end();
    }),
  );
}
