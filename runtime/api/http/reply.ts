/** Sends the answer of an operation: JSON, lines of JSON, events, a file, or nothing. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";
import { SUBMIT_RESULTS_WAITING_MAX_BYTES } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import { lastLineOf } from "./error-response.ts";
import type { FileContent, Reply } from "./operation.ts";
import { leaveRequests } from "./rate-limit.ts";

export const LINES_MEDIA_TYPE = "application/x-ndjson";

export const EVENTS_MEDIA_TYPE = "text/event-stream";

export async function sendReply(response: Response, reply: Reply, log: Logger): Promise<void> {
  const { status, body, file, lines, events, headers = {} } = reply;
  response.status(status).set(headers);
  if (file !== undefined) await sendFile(response, file);
  else if (lines !== undefined) await sendLines(response, lines, log);
  else if (events !== undefined) await sendEvents(response, events);
  // With an ETag. Answers 304 when the caller has this text already.
  else if (body !== undefined) response.json(body);
  else response.end();
}

/** A job wrote the file, so a browser must never run it as a page of ours. */
async function sendFile(response: Response, { blob, saveAs }: FileContent): Promise<void> {
  if (saveAs !== undefined) response.attachment(saveAs);
  response.set({
    "content-type": blob.contentType,
    ...(blob.bytes !== undefined && { "content-length": String(blob.bytes) }),
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
  });
  // A file that is still being written may have no bytes for long. Headers tell the reader that it exists.
  if (blob.bytes === undefined) response.flushHeaders();
  const source: Source = { failure: undefined };
  try {
    await pipeline(noting(blob.stream, source), response);
  } catch (error) {
    // Only a source that fails is an error. A client that disconnects is not.
    if (source.failure !== undefined || !response.destroyed) throw error;
  }
}

interface Source {
  failure: unknown;
}

async function* noting(stream: AsyncIterable<Uint8Array>, source: Source): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    source.failure = error;
    throw error;
  }
}

/** Takes the next lines when there is room for them, so a client that does not read stops the source. */
async function sendLines(response: Response, lines: AsyncIterable<readonly unknown[]>, log: Logger): Promise<void> {
  response.set("content-type", LINES_MEDIA_TYPE).flushHeaders();
  const texts = Readable.from(
    textOf(lines, (error) => lastLineOf(error, response, log)),
    {
      objectMode: false,
      highWaterMark: SUBMIT_RESULTS_WAITING_MAX_BYTES,
    },
  );
  try {
    await pipeline(texts, response);
  } catch (error) {
    // A client that disconnects is not an error.
    if (!response.destroyed) throw error;
  }
}

async function* textOf(
  groups: AsyncIterable<readonly unknown[]>,
  lastLine: (error: unknown) => unknown,
): AsyncGenerator<string> {
  try {
    for await (const group of groups) yield group.map((line) => `${JSON.stringify(line)}\n`).join("");
  } catch (error) {
    yield `${JSON.stringify(lastLine(error))}\n`;
  }
}

/** A client that disconnects, or that is cut off because it reads too slowly, is the usual end and not an error. */
async function sendEvents(response: Response, events: Readable): Promise<void> {
  response.set({
    "content-type": EVENTS_MEDIA_TYPE,
    // Proxies must not buffer events.
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  // The connection ends with the stream, or a stopping server would wait for it.
  response.shouldKeepAlive = false;
  // The stream has a place among the followers of events instead.
  leaveRequests(response);
  response.flushHeaders();
  await pipeline(events, response).catch(() => response.destroy());
}
