/** Makes requests of the service: address, token, time limit, retries, and the service's errors as errors. */
import { JsonError } from "../core/parse-json.ts";
import { writeJson } from "../core/write-json.ts";
import { errorOf, jsonOf, networkFailed } from "./answer.ts";
import { isJobServiceError, JobServiceError, type JobServiceErrorCode } from "./errors.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";

/** What the client needs of `fetch`. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Request extends CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the service's address, as `path` makes it. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is; made anew for every try. */
  readonly body?: () => RequestInit;
  /** For requests that need no token. */
  readonly anonymous?: boolean;
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

export interface Transport {
  readonly policy: RetryPolicy;
  /** How long the service gets to say something. */
  readonly answerWithinMs: number;
  /** The answer's JSON; undefined for an answer without a body. */
  json<T>(request: Request): Promise<T>;
  /** The same, where the status says more. */
  answer<T>(request: Request): Promise<Answer<T>>;
  /** One answer without further tries, its body unread. Throws what the service says, and NetworkFailed. */
  open(request: Request): Promise<Response>;
  /** The same with further tries until an answer has begun. */
  stream(request: Request): Promise<Response>;
}

export interface TransportDeps {
  readonly baseUrl: string;
  readonly fetch: Fetch;
  readonly policy: RetryPolicy;
  /** An answer that is not there by then does not come any more; of a file or a log, its beginning. */
  readonly answerWithinMs: number;
  /** The value of an Authorization header; undefined: none. `fresh`: the last one was refused. */
  readonly authorize: (options: {
    readonly fresh: boolean;
    readonly signal?: AbortSignal | undefined;
  }) => Promise<string | undefined>;
}

/** Makes a path with every value in it escaped. */
export const path = (parts: TemplateStringsArray, ...values: readonly string[]): string =>
  parts.map((part, index) => part + encodeURIComponent(values[index] ?? "")).join("");

export function createTransport({ baseUrl, fetch, policy, answerWithinMs, authorize }: TransportDeps): Transport {
  async function send(request: Request, fresh: boolean, limit: AbortSignal): Promise<Response> {
    const { method = "GET", body, signal, anonymous = false } = request;
    const authorization = anonymous ? undefined : await authorize({ fresh, signal });
    try {
      return await fetch(urlOf(baseUrl, request), {
        ...body?.(),
        method,
        headers: {
          ...request.headers,
          ...(authorization !== undefined && { authorization }),
        },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw networkFailed(limit.aborted ? limit.reason : error);
    }
  }

  async function answered(request: Request, limit: AbortSignal): Promise<Response> {
    let response = await send(request, false, limit);
    if (response.status === 401 && request.anonymous !== true) {
      // Keys change, and clocks differ: a token that was good a moment ago is worth one new one.
      await response.body?.cancel();
      response = await send(request, true, limit);
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /** The limit holds for `read` too, so that an answer that stops in its middle is no end of everything. */
  async function within<T>(request: Request, read: (response: Response) => Promise<T>): Promise<T> {
    const limit = new AbortController();
    const timer = setTimeout(() => {
      limit.abort(new Error(`Nothing came within ${answerWithinMs} ms.`));
    }, answerWithinMs);
    try {
      return await read(await answered(request, limit.signal));
    } finally {
      clearTimeout(timer);
    }
  }

  const begun = (request: Request): Promise<Response> => within(request, (response) => Promise.resolve(response));

  const answer = async <T>(given: Request): Promise<Answer<T>> => {
    const request = written(given);
    return withRetries(policy, request.signal, () =>
      within(request, async (response) => {
        const { status } = response;
        // What a status without a body answers is undefined to those who ask for nothing.
        return { status, body: (status === 204 ? undefined : await jsonOf(response)) as T };
      }),
    );
  };

  return {
    policy,
    answerWithinMs,
    open: begun,
    stream: (request) => withRetries(policy, request.signal, () => begun(request)),
    answer,
    json: async <T>(request: Request) => (await answer<T>(request)).body,
  };
}

/** With its JSON as text, made before the first try: what cannot be written is no fault of the network. */
function written({ json, ...request }: Request): Request {
  if (json === undefined) return request;
  const body = jsonText(json);
  return {
    ...request,
    headers: { "content-type": "application/json", ...request.headers },
    body: () => ({ body }),
  };
}

/** Throws JobServiceError "InvalidRequest" that names what JSON would not keep. */
export function jsonText(value: unknown): string {
  try {
    return writeJson(value) ?? "null";
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const details = error.problems.map(({ target, message }) => ({ target: target === "" ? "body" : target, message }));
    const [first] = details;
    throw new JobServiceError("InvalidRequest", `${first?.target}: ${first?.message}`, {
      target: first?.target,
      details,
      cause: error,
    });
  }
}

function urlOf(baseUrl: string, { path: below, query = {} }: Request): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return `${baseUrl}${below}${text === "" ? "" : `?${text}`}`;
}

/** For commands whose repetition is refused with `code` because the first one was obeyed and its answer got lost. */
export async function unlessDone<T>(call: Promise<T>, code: JobServiceErrorCode, done: () => Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (isJobServiceError(error) && error.isRepeated && error.code === code) return done();
    throw error;
  }
}
