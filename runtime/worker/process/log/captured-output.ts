/** Reads what a process prints, line by line, no faster than a worker can bear. */
import type { Readable } from "node:stream";
import type { SpawnedProcess } from "../os/spawner.ts";
import { LOG_LINE_MAX_BYTES, READ_WINDOW_BYTES, READ_WINDOW_MS } from "../process-limits.ts";

export type OutputSource = "out" | "err";

export interface OutputListener {
  readonly line: (source: OutputSource, line: Buffer) => void;
  /** Something was printed, a whole line or not. */
  readonly printed: () => void;
}

/** Resolves when both pipes have ended; the last line needs no line break. */
export async function captureOutput({ stdio }: Pick<SpawnedProcess, "stdio">, listener: OutputListener): Promise<void> {
  const pace = { windowMs: READ_WINDOW_MS, windowBytes: READ_WINDOW_BYTES };
  const pipes = [
    { source: "out", stream: stdio[1] },
    { source: "err", stream: stdio[2] },
  ] as const;
  await Promise.all(
    pipes.map(async ({ source, stream }) => {
      if (stream === undefined) return;
      const lines = splitLines(LOG_LINE_MAX_BYTES, (line) => listener.line(source, line));
      await readPaced(stream, pace, (chunk) => {
        listener.printed();
        lines.push(chunk);
      });
      lines.end();
    }),
  );
}

export interface Pace {
  readonly windowMs: number;
  readonly windowBytes: number;
}

/**
 * Reads a pipe no faster than the pace, so that a process that floods it waits, and not the worker. Resolves when the pipe
 * has ended, failed or been destroyed; an error of a pipe counts as its end.
 */
export function readPaced(stream: Readable, pace: Pace, onChunk: (chunk: Buffer) => void): Promise<void> {
  // It came with nothing in it, and its other end was gone already.
  if (stream.closed) return Promise.resolve();
  let windowEnd = 0;
  let bytes = 0;
  let resume: NodeJS.Timeout | undefined;

  stream.on("data", (chunk: Buffer) => {
    const now = performance.now();
    if (now >= windowEnd) {
      windowEnd = now + pace.windowMs;
      bytes = 0;
    }
    bytes += chunk.length;
    onChunk(chunk);
    if (bytes > pace.windowBytes) {
      stream.pause();
      resume = setTimeout(() => stream.resume(), windowEnd - now);
    }
  });
  return new Promise((resolve) => {
    stream.on("error", () => stream.destroy());
    stream.once("close", () => {
      clearTimeout(resume);
      resolve();
    });
  });
}

export interface LineSplitter {
  push(chunk: Uint8Array): void;
  /** Hands out what came after the last line break. */
  end(): void;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * Cuts bytes into lines of bounded length and keeps at most one line in memory. Lines come without their line break. One longer than `maxBytes` is handed out in pieces, all but its last with
 * `whole` false.
 */
export function splitLines(maxBytes: number, onLine: (line: Buffer, whole: boolean) => void): LineSplitter {
  const pending: Buffer[] = [];
  let pendingBytes = 0;

  function take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    pending.push(bytes);
    pendingBytes += bytes.length;
  }

  function flush(whole: boolean): void {
    const line = pending.length === 1 && pending[0] !== undefined ? pending[0] : Buffer.concat(pending);
    pending.length = 0;
    pendingBytes = 0;
    onLine(whole && line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line, whole);
  }

  return {
    push(chunk) {
      let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      while (rest.length > 0) {
        const end = rest.indexOf(LINE_FEED);
        const room = maxBytes - pendingBytes;
        const length = end < 0 ? rest.length : end;
        if (length > room) {
          take(rest.subarray(0, room));
          flush(false);
          rest = rest.subarray(room);
        } else {
          take(rest.subarray(0, length));
          if (end >= 0) flush(true);
          rest = rest.subarray(length + 1);
        }
      }
    },
    end() {
      if (pendingBytes > 0) flush(true);
    },
  };
}
