/** When a failed job is tried again. */
import { BACKOFF_MAX_MS, MAX_ATTEMPTS_DEFAULT } from "./limits.ts";

export interface RetryPolicy {
  /** Attempts in total, the first included. */
  readonly maxAttempts: number;
  /** Wait after the first failure. */
  readonly initialDelayMs: number;
  /** Each further wait is this many times the one before. */
  readonly factor: number;
  /** No wait is longer. */
  readonly maxDelayMs: number;
  /** 0 to 1: the share of a wait that is left to chance, so that jobs that failed together do not return together. */
  readonly jitter: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: MAX_ATTEMPTS_DEFAULT,
  initialDelayMs: 2_000,
  factor: 2,
  maxDelayMs: 5 * 60_000,
  jitter: 0.3,
};

/** The wait before the next attempt. `failures` counts from 1; `random` is in [0, 1). */
export function backoffMs(policy: RetryPolicy, failures: number, random: number): number {
  const full = Math.min(policy.maxDelayMs, BACKOFF_MAX_MS, policy.initialDelayMs * policy.factor ** (failures - 1));
  return Math.round(full * (1 - policy.jitter * random));
}
