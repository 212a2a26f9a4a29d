/**
 * Sends requests to the service, with its address, token, time limit and retries. Converts responses to values or
 * errors.
 */
import type { ErrorDetail } from "../core/errors.ts";
import { jsonText } from "./json-text.ts";
import {
  JobServiceError,
  type JobServiceErrorCode,
  SilenceError,
  isJobServiceError,
  networkFailed,
} from "./job-service-error.ts";
import { type Attempt, type CallRetryPolicy, withRetries } from "./with-retries.ts";

/** The part of `fetch` that the client uses. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

type QueryValue = string | number | boolean | undefined;

export interface Request extends CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Relative to the service's address, such as `/v1/me`, with its values escaped. */
  readonly path: string;
  /** A list is sent as one parameter for each of its values. */
  readonly query?: Readonly<Record<string, QueryValue | readonly QueryValue[]>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent unchanged; created again for every try. Its media type goes into `headers`. */
  readonly body?: () => RequestInit;
  /** The request needs no token. */
  readonly anonymous?: boolean;
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

export interface Transport {
  readonly policy: CallRetryPolicy;
  /** Time to wait for the response. */
  readonly answerWithinMs: number;
  /** The response's JSON; undefined for a response without a body. */
  json<T>(request: Request): Promise<T>;
  /** The same, with the status. */
  answer<T>(request: Request): Promise<Answer<T>>;
  /**
   * One response without retries, its body unread. `leftMs`: limits the time for the response further. Throws the
   * service's error, and NetworkFailed.
   */
  open(request: Request, leftMs?: number): Promise<Response>;
  /** The same with retries until a response has started. */
  stream(request: Request): Promise<Response>;
}

export interface TransportDeps {
  readonly baseUrl: string;
  readonly fetch: Fetch;
  readonly policy: CallRetryPolicy;
  /** Time to wait for a response; for a file or a log, for its start. */
  readonly answerWithinMs: number;
  /** The value of the Authorization header; undefined: none. `fresh`: the last one was refused. */
  readonly authorize: (options: {
    readonly fresh: boolean;
    readonly signal?: AbortSignal | undefined;
  }) => Promise<string | undefined>;
}

/** Builds a path with every value escaped. */
export const path = (parts: TemplateStringsArray, ...values: readonly string[]): string =>
  parts.map((part, index) => part + encodeURIComponent(values[index] ?? "")).join("");

/** A request whose body is already JSON text. */
interface Prepared extends Request {
  readonly text: string | undefined;
}

export function createTransport({ baseUrl, fetch, policy, answerWithinMs, authorize }: TransportDeps): Transport {
  /** The host has responded once, so its name exists. */
  let isKnown = false;

  async function send(request: Prepared, fresh: boolean, limit: AbortSignal): Promise<Response> {
    const { method = "GET", text, body, signal, anonymous = false } = request;
    const authorization = anonymous ? undefined : await authorize({ fresh, signal });
    const url = urlOf(baseUrl, request);
    try {
      const response = await fetch(url, {
        ...body?.(),
        ...(text !== undefined && { body: text }),
        method,
        headers: {
          ...(text !== undefined && { "content-type": "application/json" }),
          ...request.headers,
          ...(authorization !== undefined && { authorization }),
        },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      isKnown = true;
      return response;
    } catch (error) {
      signal?.throwIfAborted();
      throw networkFailed(limit.aborted ? limit.reason : error, { url, isKnown });
    }
  }

  async function answered(request: Prepared, limit: AbortSignal): Promise<Response> {
    let response = await send(request, false, limit);
    if (response.status === 401 && request.anonymous !== true) {
      // Keys are rotated and clocks differ, so a refused token is replaced once.
      await response.body?.cancel();
      response = await send(request, true, limit);
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /** The limit also applies to `read`, so that a response that stalls does not block the call forever. */
  async function within<T>(request: Prepared, leftMs: number, read: (response: Response) => Promise<T>): Promise<T> {
    const limit = new AbortController();
    const limitMs = Math.min(answerWithinMs, leftMs);
    const timer = setTimeout(() => limit.abort(new SilenceError(limitMs)), limitMs);
    try {
      return await read(await answered(request, limit.signal));
    } finally {
      clearTimeout(timer);
    }
  }

  const begun = (request: Prepared, leftMs: number): Promise<Response> =>
    within(request, leftMs, (response) => Promise.resolve(response));

  /** Runs before the first try, because invalid JSON stays invalid. */
  async function tried<T>(request: Request, call: (prepared: Prepared, leftMs: number) => Promise<T>): Promise<T> {
    const prepared = prepare(request);
    return withRetries(policy, request.signal, ({ leftMs }: Attempt) => call(prepared, leftMs));
  }

  const answer = <T>(request: Request): Promise<Answer<T>> =>
    tried(request, (prepared, leftMs) =>
      within(prepared, leftMs, async (response) => {
        const { status } = response;
        // A status without a body gives undefined to callers that expect no value.
        return { status, body: (status === 204 ? undefined : await jsonOf(response)) as T };
      }),
    );

  return {
    policy,
    answerWithinMs,
    open: async (request, leftMs = Infinity) => begun(prepare(request), leftMs),
    stream: (request) => tried(request, begun),
    answer,
    json: async <T>(request: Request) => (await answer<T>(request)).body,
  };
}

const prepare = (request: Request): Prepared => ({
  ...request,
  text: "json" in request ? jsonText(request.json) : undefined,
});

function urlOf(baseUrl: string, { path: below, query = {} }: Request): string {
  const parameters = new URLSearchParams();
  for (const [name, values] of Object.entries(query))
    for (const value of [values].flat()) if (value !== undefined) parameters.append(name, String(value));
  const text = parameters.toString();
  return `${baseUrl}${below}${text === "" ? "" : `?${text}`}`;
}

/** For commands that are refused with `code` because an earlier try, whose response was lost, was carried out. */
export async function unlessDone<T>(call: Promise<T>, code: JobServiceErrorCode, done: () => Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (isJobServiceError(error) && error.isRepeated && error.code === code) return done();
    throw error;
  }
}

/** The body of an error response. Any part may be missing. */
interface ErrorBody {
  readonly error?: {
    readonly code?: string;
    readonly message?: string;
    readonly target?: string;
    readonly details?: readonly ErrorDetail[];
    readonly requestId?: string;
  };
}

/** The caller sent too many requests, or the service, a service behind it or a gateway before it is unavailable. */
const TRY_LATER: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Reads the error in a response, with the service's own code. Throws NetworkFailed when part of the body is missing.
 */
async function errorOf(response: Response): Promise<JobServiceError> {
  const { status } = response;
  const text = await wholeText(response);
  const { error } = parseErrorBody(text);
  const retryAfter = response.headers.get("retry-after");
  const facts = {
    status,
    requestId: error?.requestId ?? response.headers.get("x-request-id") ?? undefined,
    target: error?.target,
    details: error?.details,
    retryable: TRY_LATER.has(status),
    retryAfterMs: retryAfter === null ? undefined : retryAfterMs(retryAfter, Date.now()),
  };
  return error?.code === undefined
    ? new JobServiceError("AnswerInvalid", `The service returned status ${status} without an error code.`, facts)
    : new JobServiceError(error.code, error.message ?? `The service returned status ${status}.`, facts);
}

/** Reads a response's JSON. Throws NetworkFailed when part of it is missing, AnswerInvalid when it is not JSON. */
async function jsonOf(response: Response): Promise<unknown> {
  const text = await wholeText(response);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { status } = response;
    throw new JobServiceError("AnswerInvalid", `The response with status ${status} is not JSON.`, { status, cause });
  }
}

/** Throws NetworkFailed when part of it is missing. */
export async function wholeText(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (cause) {
    throw networkFailed(cause, response);
  }
}

function parseErrorBody(text: string): ErrorBody {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    // The body is a gateway's error page.
    return {};
  }
}

/** The header has seconds or a date. */
function retryAfterMs(header: string, now: number): number | undefined {
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
