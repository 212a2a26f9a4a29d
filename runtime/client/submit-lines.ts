/**
 * Submits any number of jobs as streams of lines. The source is read only as far as the next request needs. A request that
 * breaks is repeated with its Idempotency-Key; the service then returns the same results for the jobs that it has accepted,
 * so no job is submitted twice and no result is lost.
 */
import { SUBMIT_MAX_JOBS } from "../core/limits.ts";
import type { JobSubmission } from "../core/http/requests.ts";
import type { SubmitResult } from "../core/http/views.ts";
import { linesOf } from "./bytes.ts";
import { jsonText } from "./json-text.ts";
import { JobServiceError, isJobServiceError, networkFailed } from "./job-service-error.ts";
import { type Attempt, newKey, withRetries } from "./with-retries.ts";
import { type CallOptions, type Transport } from "./transport.ts";

export interface SubmitJobsOptions extends CallOptions {
  /** Jobs in one request, at most 10,000. Default 2,000. */
  readonly jobsPerRequest?: number;
  /** Makes the whole call repeatable, also by another process: the same jobs in the same order return the same ids. */
  readonly idempotencyKey?: string;
}

/** The result of one job; `index` counts from 0 in the order of the source. */
export type SubmittedJob = SubmitResult & { readonly index: number };

/** A job, or its JSON as one line. */
export type SubmissionSource = Iterable<JobSubmission | string> | AsyncIterable<JobSubmission | string>;

const JOBS_PER_REQUEST = 2_000;
/** A request stays in memory until its response is complete. A single job may be larger. */
const REQUEST_MAX_CHARACTERS = 8 * 1024 * 1024;

/** A result, or the last line of a response that ended early. Only the latter has a requestId. */
type Line = SubmitResult & {
  readonly error?: { readonly requestId?: string; readonly retryable?: boolean };
};

/**
 * Throws, after the results of all earlier jobs: the service's error for the whole request, NetworkFailed, or
 * InvalidRequest for a job that JSON cannot hold, such as one with NaN.
 */
export async function* submitLines(
  transport: Transport,
  source: SubmissionSource,
  batchId: string | undefined,
  { jobsPerRequest = JOBS_PER_REQUEST, idempotencyKey = newKey(), signal }: SubmitJobsOptions,
): AsyncGenerator<SubmittedJob> {
  const perRequest = Math.min(Math.max(1, jobsPerRequest), SUBMIT_MAX_JOBS);
  let index = 0;
  let part = 0;
  for await (const entries of inRequests(source, perRequest)) {
    signal?.throwIfAborted();
    const headers = {
      "content-type": "application/x-ndjson",
      accept: "application/x-ndjson",
      "idempotency-key": `${idempotencyKey}.${part++}`,
    };
    const request = { method: "POST", path: "/v1/jobs/bulk", query: { batchId }, headers, signal } as const;
    const lines = entries.filter((entry) => typeof entry === "string");
    const body = `${lines.join("\n")}\n`;
    const results = resultsOf(transport, { ...request, body: () => ({ body }) }, lines.length);
    try {
      for (const entry of entries) {
        const result = typeof entry === "string" ? (await results.next()).value : refusalOf(entry);
        // The generator yields one result for each line, or throws.
        if (result !== undefined) yield { ...result, index: index++ };
      }
    } finally {
      await results.return(undefined);
    }
  }
}

/** Exactly `count` results, in order, with as many tries as needed. */
async function* resultsOf(
  transport: Transport,
  request: Parameters<Transport["open"]>[0],
  count: number,
): AsyncGenerator<SubmitResult, undefined> {
  /** Number of results so far. A repeated request returns them again, and they are skipped. */
  let known = 0;
  let open: AsyncGenerator<SubmitResult> | undefined;
  const next = async ({ progressed, leftMs }: Attempt): Promise<SubmitResult> => {
    try {
      open ??= answerOf(await transport.open(request, leftMs), known, transport.answerWithinMs);
      const result = await open.next();
      if (result.done === true)
        throw networkFailed(new Error(`${count - known} of ${count} results are missing.`), { status: 200 });
      progressed();
      return result.value;
    } catch (error) {
      open = undefined;
      throw error;
    }
  };
  try {
    for (; known < count; known++) yield await withRetries(transport.policy, request.signal, next);
  } finally {
    await open?.return(undefined);
  }
  return undefined;
}

const refusalOf = ({ code, message }: JobServiceError): SubmitResult => ({ error: { code, message } });

/** The results of one response except the first `skip`. Throws the error of its last line. */
async function* answerOf(response: Response, skip: number, stallMs: number): AsyncGenerator<SubmitResult> {
  let index = 0;
  const lines = linesOf(response.body, { stallMs })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await lines.next().catch((error: unknown) => {
        throw networkFailed(error, response);
      });
      if (next.done === true) return;
      if (next.value === "") continue;
      const line = parseLine(next.value, response.status);
      const { error } = line;
      if (error?.requestId !== undefined) throw brokenOff(line, response.status);
      if (index++ >= skip) yield line;
    }
  } finally {
    await lines.return(undefined);
  }
}

function parseLine(text: string, status: number): Line {
  try {
    return JSON.parse(text) as Line;
  } catch (cause) {
    throw new JobServiceError("AnswerInvalid", "A line of the response is not JSON.", { status, cause });
  }
}

function brokenOff(line: Line, status: number): JobServiceError {
  const {
    code = "AnswerInvalid",
    message = "The response ended early.",
    requestId,
    retryable,
  } = line.error as Partial<{
    code: string;
    message: string;
    requestId: string;
    retryable: boolean;
  }>;
  return new JobServiceError(code, message, { status, requestId, retryable });
}

/** A line, or the reason why there is none. A job that JSON cannot hold is refused separately, as the service does. */
type Entry = string | JobServiceError;

async function* inRequests(source: SubmissionSource, perRequest: number): AsyncGenerator<readonly Entry[]> {
  let entries: Entry[] = [];
  let characters = 0;
  for await (const job of source) {
    const entry = entryOf(job);
    // The service skips empty lines and returns no result for them.
    if (entry === "") continue;
    const length = typeof entry === "string" ? entry.length : 0;
    if (entries.length > 0 && (entries.length >= perRequest || characters + length > REQUEST_MAX_CHARACTERS)) {
      yield entries;
      entries = [];
      characters = 0;
    }
    entries.push(entry);
    characters += length;
  }
  if (entries.length > 0) yield entries;
}

function entryOf(job: JobSubmission | string): Entry {
  // A job must be one line, even if the given text was not.
  if (typeof job === "string") return job.trim().replaceAll("\n", " ");
  try {
    return jsonText(job);
  } catch (error) {
    if (isJobServiceError(error)) return error;
    throw error;
  }
}
