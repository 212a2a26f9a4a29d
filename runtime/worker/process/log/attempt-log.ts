/**
 * The log of one attempt: lines with time and source, capped. `out` and `err` are what the job printed, `log` what it
 * passed to `log()`, `sys` what we have to say about it.
 */
import { LOG_LINE_MAX_BYTES } from "../process-limits.ts";

export type LogSource = "out" | "err" | "log" | "sys";

export interface AttemptLog {
  /** A text may have several lines. Bytes are one line, without its line break. */
  readonly write: (source: LogSource, content: Uint8Array | string) => void;
  /** Ends the log; says what was dropped, if anything was. */
  end(): void;
  /** All that waits, as one chunk; then again, until the end. One reader. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** One line as it stands in a log. */
export function logLine(at: Date, source: LogSource, content: Uint8Array | string): Uint8Array {
  const body = typeof content === "string" ? Buffer.from(content) : content;
  return Buffer.concat([Buffer.from(`${at.toISOString()} ${source} `), body, Buffer.from("\n")]);
}

/** Kept for the last words of a log that has reached its limit. */
const RESERVED_BYTES = 4 * 1024;

export function createAttemptLog({ maxBytes, now }: { maxBytes: number; now: () => Date }): AttemptLog {
  let waiting: Uint8Array[] = [];
  let wake: (() => void) | undefined;
  let ended = false;
  let bytes = 0;
  let droppedLines = 0;
  let droppedBytes = 0;

  function append(line: Uint8Array, limit: number): boolean {
    if (ended || bytes + line.length > limit) return false;
    bytes += line.length;
    waiting.push(line);
    wake?.();
    return true;
  }

  const lineOf = (source: LogSource, content: Uint8Array | string): Uint8Array => logLine(now(), source, content);

  function writeLine(source: LogSource, line: Uint8Array | string): void {
    const limit = source === "sys" ? maxBytes : maxBytes - RESERVED_BYTES;
    // Once a line was dropped, all later ones are, so that a log has one gap and it is at the end.
    const body = lineOf(source, line);
    if ((droppedLines === 0 || source === "sys") && append(body, limit)) return;
    droppedLines += 1;
    droppedBytes += body.length;
  }

  async function* read(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      if (waiting.length > 0) {
        const chunk = Buffer.concat(waiting);
        waiting = [];
        yield chunk;
      } else if (ended) {
        return;
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
        wake = undefined;
      }
    }
  }

  return {
    write(source, content) {
      // Texts of jobs among them: a line break must not let one write a line of another source.
      const lines = typeof content === "string" ? content.split(/\r?\n/) : [content];
      for (const line of lines) writeLine(source, line);
    },
    end() {
      if (ended) return;
      if (droppedLines > 0) {
        const text = `${droppedLines} lines (${droppedBytes} bytes) are missing here: a log holds ${maxBytes} bytes.`;
        append(lineOf("sys", text), maxBytes + LOG_LINE_MAX_BYTES);
      }
      ended = true;
      wake?.();
    },
    chunks: { [Symbol.asyncIterator]: read },
  };
}
