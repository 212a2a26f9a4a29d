/** A call of an API with a rate limit: waits for its turn, and does what the API says when it says "too many". */
import type { RateLimit } from "./rate-limit.ts";

export interface CallOptions {
  readonly limit: RateLimit;
  readonly signal: AbortSignal;
  readonly log: (...values: readonly unknown[]) => void;
}

/** 429: too many requests. 503: overloaded; with `Retry-After` it means the same. */
const TOO_MANY: ReadonlySet<number> = new Set([429, 503]);
const TRIES_MAX = 5;
/** Used when the API does not say how long to wait. */
const WAIT_MS = 1_000;
/**
 * A longer wait fails the try. The retry policy of the job then waits without a slot of a worker, which others can use
 * meanwhile.
 */
const PATIENCE_MS = 30_000;

/** Resolves to any other answer than "too many". Repeats the request, so it must be safe to repeat. */
export async function callApi(url: URL, init: RequestInit, { limit, signal, log }: CallOptions): Promise<Response> {
  for (let tries = 1; ; tries++) {
    await limit.take(signal);
    const response = await fetch(url, { ...init, signal });
    if (!TOO_MANY.has(response.status)) return response;
    await response.body?.cancel();
    const waitMs = retryAfterMs(response.headers.get("retry-after"), Date.now()) ?? WAIT_MS;
    if (tries === TRIES_MAX || waitMs > PATIENCE_MS) {
      throw new Error(`The API answered ${response.status} and asks to wait ${Math.ceil(waitMs / 1_000)} s.`);
    }
    log(`The API answered ${response.status}. All calls wait ${waitMs} ms.`);
    limit.pause(waitMs);
  }
}

/** `Retry-After` is a number of seconds or a date. Undefined: it is absent or unreadable. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
