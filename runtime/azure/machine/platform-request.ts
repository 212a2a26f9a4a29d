/** One HTTP request to the platform, with an end: an answer of any status, or a PlatformError when there was none. */
import { messageOf } from "../../core/errors.ts";
import { PlatformError } from "../../core/ports/machine.ts";

export interface PlatformRequest {
  readonly method?: "GET" | "POST" | "PUT";
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** For the whole answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface PlatformAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly text: string;
}

/** Follows no redirect: a token is for the host it was requested for. Throws the signal's reason once it has fired. */
export async function request(url: string, options: PlatformRequest): Promise<PlatformAnswer> {
  const { method = "GET", headers, body, timeoutMs, signal } = options;
  signal.throwIfAborted();
  try {
    const response = await fetch(url, {
      method,
      headers: body === undefined ? { ...headers } : { ...headers, "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const text = await response.text();
    return { status: response.status, header: (name) => response.headers.get(name) ?? undefined, text };
  } catch (error) {
    signal.throwIfAborted();
    // The path names no secret; the query may, so it stays out.
    const { origin, pathname } = new URL(url);
    throw new PlatformError(`${method} ${origin}${pathname} was not answered: ${reasonOf(error)}.`, { cause: error });
  }
}

/** What `fetch` hides in its cause. */
const reasonOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);

/** Undefined for what is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
