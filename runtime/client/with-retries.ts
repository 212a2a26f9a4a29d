/** Tries a call again while that can help: exponential backoff with full jitter, never sooner than the service asks for. */
import { type JobServiceError, isJobServiceError } from "./job-service-error.ts";

export interface RetryOptions {
  /** Tries of one call, the first included. Default 8: about half a minute of an outage. 1: no second try. */
  readonly maxAttempts?: number;
  /** Upper bound of the first wait; doubles with each try. Default 250. */
  readonly firstDelayMs?: number;
  /**
   * How long after the first failure of a call another try may still begin; it then has what is left to be answered.
   * Default: no limit but `maxAttempts`.
   */
  readonly giveUpAfterMs?: number;
  /** Default 10,000. A longer `Retry-After` is honoured up to a minute. */
  readonly maxDelayMs?: number;
}

export type RetryPolicy = Required<RetryOptions>;

export const retryPolicy = ({
  maxAttempts = 8,
  firstDelayMs = 250,
  maxDelayMs = 10_000,
  giveUpAfterMs = Infinity,
}: RetryOptions = {}): RetryPolicy => ({ maxAttempts, firstDelayMs, maxDelayMs, giveUpAfterMs });

/** A service that asks for more is as good as away: the caller is told. */
const RETRY_AFTER_MAX_MS = 60_000;

/** Milliseconds until the try after `attempt` (from 1); undefined: there is none. `random`: 0 up to 1. */
export function delayAfter(
  attempt: number,
  error: JobServiceError,
  { maxAttempts, firstDelayMs, maxDelayMs }: Omit<RetryPolicy, "giveUpAfterMs">,
  random = Math.random(),
): number | undefined {
  const { retryable, retryAfterMs = 0 } = error;
  if (!retryable || attempt >= maxAttempts || retryAfterMs > RETRY_AFTER_MAX_MS) return undefined;
  const bound = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1));
  // Jitter on top of what was asked for: all who were refused together must not come back together.
  return retryAfterMs + random * bound;
}

/** What a try knows and can say of itself. */
export interface Attempt {
  /** What is left of the time for all tries; Infinity at the first one. */
  readonly leftMs: number;
  /** The tries start counting anew: the call has come further than before. */
  readonly progressed: () => void;
}

/** Resolves to the first success. Throws the last error, and at once what no other try can mend. */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  call: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const now = (): number => performance.now();
  let attempt = 0;
  let isRepeated = false;
  let endAt = Infinity;
  const progressed = (): void => {
    attempt = 0;
    endAt = Infinity;
  };
  for (;;) {
    signal?.throwIfAborted();
    attempt++;
    try {
      return await call({ progressed, leftMs: endAt - now() });
    } catch (error) {
      signal?.throwIfAborted();
      if (!isJobServiceError(error)) throw error;
      error.isRepeated = isRepeated;
      endAt = Math.min(endAt, now() + policy.giveUpAfterMs);
      const delay = error.isExhausted ? undefined : delayAfter(attempt, error, policy);
      if (delay === undefined || now() + delay >= endAt) {
        error.isExhausted = true;
        throw error;
      }
      // An answer that says "not now" says that nothing was done; only a lost one leaves it open.
      isRepeated ||= error.code === "NetworkFailed" || (error.status ?? 0) >= 500;
      await sleep(delay, signal);
      // Timers are late on a busy machine.
      if (now() >= endAt) {
        error.isExhausted = true;
        throw error;
      }
    }
  }
}

// Waiting that can be called off.

/** Rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      if (signal) reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const reasonOf = ({ reason }: AbortSignal): Error =>
  reason instanceof Error ? reason : new Error("The call was aborted.", { cause: reason });

/** A key no other call has: 128 random bits. Not `randomUUID`, which browsers give to pages over HTTPS only. */
export const newKey = (): string =>
  [...globalThis.crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
