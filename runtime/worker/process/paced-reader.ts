/** Reads a pipe no faster than a given rate, so that whoever floods it waits, and not the one who reads. */
import type { Readable } from "node:stream";

export interface Pace {
  readonly windowMs: number;
  readonly windowBytes: number;
}

/** Resolves when the pipe has ended, failed or been destroyed; an error of a pipe is nothing but its end. */
export function readPaced(stream: Readable, pace: Pace, onChunk: (chunk: Buffer) => void): Promise<void> {
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
