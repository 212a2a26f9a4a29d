/** When a failed job is tried again. */
import * as z from "zod";
import { BACKOFF_MAX_MS, MAX_ATTEMPTS_DEFAULT, MAX_ATTEMPTS_LIMIT } from "../limits.ts";

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

/** Single fields of a policy, as a submitter or a package gives them. */
export const retryOverridesSchema = z
  .strictObject({
    maxAttempts: z.int().min(1).max(MAX_ATTEMPTS_LIMIT),
    initialDelayMs: z.int().min(0).max(BACKOFF_MAX_MS),
    factor: z.number().min(1).max(10),
    maxDelayMs: z.int().min(0).max(BACKOFF_MAX_MS),
    jitter: z.number().min(0).max(1),
  })
  .partial();

export type RetryOverrides = Readonly<z.infer<typeof retryOverridesSchema>>;

/** The submitter's word counts before the package's, the package's before the default. */
export function retryPolicyOf(job: RetryOverrides, fromPackage: RetryOverrides = {}): RetryPolicy {
  const pick = <K extends keyof RetryPolicy>(field: K): RetryPolicy[K] =>
    job[field] ?? fromPackage[field] ?? DEFAULT_RETRY[field];
  return {
    maxAttempts: pick("maxAttempts"),
    initialDelayMs: pick("initialDelayMs"),
    factor: pick("factor"),
    maxDelayMs: pick("maxDelayMs"),
    jitter: pick("jitter"),
  };
}

/** The wait before the next attempt. `failures` counts from 1; `random` is in [0, 1). */
export function backoffMs(policy: RetryPolicy, failures: number, random: number): number {
  const full = Math.min(policy.maxDelayMs, BACKOFF_MAX_MS, policy.initialDelayMs * policy.factor ** (failures - 1));
  return Math.round(full * (1 - policy.jitter * random));
}
