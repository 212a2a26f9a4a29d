/**
 * Waiting for a state, however slow the machine is: vitest's own second is over before a busy one has started a
 * process.
 */
import { vi } from "vitest";

const TIMEOUT_MS = 50_000;

export interface EventuallyOptions {
  /** Between two looks. Default: 20 ms. */
  readonly interval?: number;
  /** Default: 50 s. */
  readonly timeout?: number;
}

/** Resolves to what `look` returns, once it no longer throws. */
export const eventually = <T>(
  look: () => T | Promise<T>,
  { interval = 20, timeout = TIMEOUT_MS }: EventuallyOptions = {},
): Promise<T> => vi.waitFor(look, { timeout, interval });

/** Resolves once it is true. */
export async function eventuallyTrue(isTrue: () => boolean, { interval = 20 }: EventuallyOptions = {}): Promise<void> {
  await vi.waitUntil(isTrue, { timeout: TIMEOUT_MS, interval });
}

/** Resolves to the first thing that `look` finds: neither undefined, null nor false. */
export const eventuallyFound = <T>(look: () => T | Promise<T>, options?: EventuallyOptions): Promise<NonNullable<T>> =>
  eventually(async () => {
    const found = await look();
    if (found === undefined || found === null || found === false) throw new Error("Nothing was found in time.");
    return found;
  }, options);
