/**
 * One HTTP request to the platform, with a time limit. Resolves to an answer of any status, or throws PlatformError.
 */
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

/** Follows no redirect, because a token must not reach another host. Throws the signal's reason once it has fired. */
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
    // Without the query, because it may contain a secret.
    const { origin, pathname } = new URL(url);
    throw new PlatformError(`${method} ${origin}${pathname} was not answered: ${reasonOf(error)}.`, { cause: error });
  }
}

/** `fetch` puts the reason into its error's cause. */
const reasonOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);

/** Undefined if the text is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
