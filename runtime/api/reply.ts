/** Sends what an operation answers: JSON, a file, or nothing. */
import { pipeline } from "node:stream/promises";
import type { Response } from "express";
import type { FileContent, Reply } from "./operation.ts";

export async function sendReply(response: Response, { status, body, file, headers = {} }: Reply): Promise<void> {
  response.status(status).set(headers);
  if (file !== undefined) await sendFile(response, file);
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
  await pipeline(blob.stream, response);
}
