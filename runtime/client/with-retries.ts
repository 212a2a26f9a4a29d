/** Repeats a call while that can help: exponential backoff with full jitter, never sooner than the service requests. */
import { type JobServiceError, isJobServiceError } from "./job-service-error.ts";

export interface RetryOptions {
  /** Tries of one call, including the first. Default 8: bridges an outage of about half a minute. 1: no repeat. */
  readonly maxAttempts?: number;
  /** Upper bound of the first delay. It doubles with each try. Default 250. */
  readonly firstDelayMs?: number;
  /**
   * Time after the first failure of a call in which another try may start. That try must end within the rest of it.
   * Default: no limit but `maxAttempts`.
   */
  readonly giveUpAfterMs?: number;
  /** Default 10,000. A longer `Retry-After` is honoured up to a minute. */
  readonly maxDelayMs?: number;
}

export type CallRetryPolicy = Required<RetryOptions>;

export const callRetryPolicy = ({
  maxAttempts = 8,
  firstDelayMs = 250,
  maxDelayMs = 10_000,
  giveUpAfterMs = Infinity,
}: RetryOptions = {}): CallRetryPolicy => ({ maxAttempts, firstDelayMs, maxDelayMs, giveUpAfterMs });

/** A longer `Retry-After` counts as an outage, and the caller gets the error. */
const RETRY_AFTER_MAX_MS = 60_000;

/** Milliseconds until the try after `attempt` (from 1); undefined: no more tries. `random`: 0 up to 1. */
export function delayAfter(
  attempt: number,
  error: JobServiceError,
  { maxAttempts, firstDelayMs, maxDelayMs }: Omit<CallRetryPolicy, "giveUpAfterMs">,
  random = Math.random(),
): number | undefined {
  const { retryable, retryAfterMs = 0 } = error;
  if (!retryable || attempt >= maxAttempts || retryAfterMs > RETRY_AFTER_MAX_MS) return undefined;
  const bound = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1));
  // Jitter is added to the requested delay, so that clients refused together do not return together.
  return retryAfterMs + random * bound;
}

/** State of a try. */
export interface Attempt {
  /** Time left for all tries; Infinity at the first one. */
  readonly leftMs: number;
  /** Resets the count of tries, because the call has made progress. */
  readonly progressed: () => void;
}

/** Resolves to the first success. Throws the last error. Throws at once if no repeat can help. */
export async function withRetries<T>(
  policy: CallRetryPolicy,
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
      // A refusal proves that nothing was done. After a lost response this is unknown.
      isRepeated ||= error.code === "NetworkFailed" || (error.status ?? 0) >= 500;
      await sleepOrThrow(delay, signal);
      // Timers run late on a busy machine.
      if (now() >= endAt) {
        error.isExhausted = true;
        throw error;
      }
    }
  }
}

/** Waits. Rejects with the signal's reason as soon as it is aborted. */
export function sleepOrThrow(ms: number, signal?: AbortSignal): Promise<void> {
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

/** A unique key: 128 random bits. Not `randomUUID`, which browsers offer only to pages over HTTPS. */
export const newKey = (): string =>
  [...globalThis.crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
