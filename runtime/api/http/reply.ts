/** Sends what an operation answers: JSON, lines of JSON, a file, or nothing. */
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
  // With an ETag, and answered 304 when the caller has this very text already.
  else if (body !== undefined) response.json(body);
  else response.end();
}

/** Written by a job, so never to be run by a browser as a page of ours. */
async function sendFile(response: Response, { blob, saveAs }: FileContent): Promise<void> {
  if (saveAs !== undefined) response.attachment(saveAs);
  response.set({
    "content-type": blob.contentType,
    ...(blob.bytes !== undefined && { "content-length": String(blob.bytes) }),
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
  });
  // One that is still being written may have nothing to send for long: its reader must know that it was found.
  if (blob.bytes === undefined) response.flushHeaders();
  const source: Source = { failure: undefined };
  try {
    await pipeline(noting(blob.stream, source), response);
  } catch (error) {
    // The pipeline ends the answer whoever breaks it: a source that failed is our business, a client that is gone is not.
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

/** Takes the next lines when there is room for them: a client that does not read stops whoever makes them. */
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
    // The client is gone: there is nobody left to tell, and nothing wrong with us.
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

/** A client that leaves, or is cut off because it reads too slowly, is the usual end and nobody's fault here. */
async function sendEvents(response: Response, events: Readable): Promise<void> {
  response.set({
    "content-type": EVENTS_MEDIA_TYPE,
    // Nothing between us and the client may keep events back to make larger pieces of them.
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  // Its end is that of the connection, or a server that stops would wait for one it has nothing more to say on.
  response.shouldKeepAlive = false;
  // It holds a place among the followers of events.
  leaveRequests(response);
  response.flushHeaders();
  await pipeline(events, response).catch(() => response.destroy());
}
