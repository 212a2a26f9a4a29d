/**
 * A rate limit for the calls of one process: a token bucket, and a pause when the API asks for one. It knows nothing of
 * other processes.
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface RateLimit {
  /** Resolves when the next call may start. Rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<void>;
  /** Holds back all calls, also those that wait already. */
  pause(ms: number): void;
}

export interface RateLimitOptions {
  readonly perSecond: number;
  /** Calls that may start at once after a quiet time. */
  readonly burst: number;
  readonly clock?: Clock;
}

/** In milliseconds. */
export interface Clock {
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

export function createRateLimit({ perSecond, burst, clock = systemClock }: RateLimitOptions): RateLimit {
  const intervalMs = 1_000 / perSecond;
  /** When the next call may start. As far in the past as the bucket is full. */
  let nextAt = -Infinity;
  return {
    async take(signal) {
      // Others may have taken the moment that this call has waited for, or a pause may have begun.
      for (;;) {
        const waitMs = nextAt - clock.now();
        if (waitMs <= 0) break;
        await clock.sleep(waitMs, signal);
      }
      signal.throwIfAborted();
      nextAt = Math.max(nextAt, clock.now() - (burst - 1) * intervalMs) + intervalMs;
    },
    pause(ms) {
      nextAt = Math.max(nextAt, clock.now() + ms);
    },
  };
}
