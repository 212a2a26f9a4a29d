/** Requests to submit, and a stream of them over a connection the test holds in its hands. */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { SubmitResult } from "../../../runtime/core/http/views.ts";

export const jobRequestOf = (tenantName: string, fields: Record<string, unknown> = {}) => ({
  tenantName,
  jobType: "Echo",
  jobName: "hello",
  jobProcessorPackageName: "echo.zip",
  // No worker runs it.
  publishLater: true,
  parameters: { text: "grüß dich" },
  ...fields,
});

/** A line of an answer: a job's result, or the last one. */
export type AnswerLine = SubmitResult | { readonly error: { readonly code: string; readonly retryable?: boolean } };

export const linesIn = (answer: string): readonly AnswerLine[] =>
  answer
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AnswerLine);

export interface SubmitStream {
  readonly request: ClientRequest;
  readonly response: Promise<IncomingMessage>;
  /** Sends one job a line; resolves when the connection takes more. */
  send(jobs: readonly unknown[]): Promise<void>;
  /** Ends the request and reads the rest of the answer. */
  finish(): Promise<readonly AnswerLine[]>;
}

export function openSubmitStream(url: string, query = "", headers: Record<string, string> = {}): SubmitStream {
  const request = httpRequest(`${url}/v1/jobs/bulk${query}`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", ...headers },
  });
  const response = once(request, "response").then(([answer]) => answer as IncomingMessage);
  // A client that cuts the connection does not wait for it.
  response.catch(() => undefined);
  return {
    request,
    response,
    async send(jobs) {
      const chunk = jobs.map((job) => `${JSON.stringify(job)}\n`).join("");
      if (!request.write(chunk)) await once(request, "drain");
    },
    async finish() {
      request.end();
      return linesIn(await text(await response));
    },
  };
}
