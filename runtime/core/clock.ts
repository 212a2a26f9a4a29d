/**
 * Whether this process's clock can be trusted. A wrong clock would send the wrong ticks of timers and start timers at the
 * wrong time. The clock is compared with the time in storage's answers. Between two answers a monotonic clock measures
 * what has passed, so that a jump is noticed before the next answer. Pure: both clocks are given.
 */
import { UnavailableError } from "./errors.ts";
import { CLOCK_SKEW_MAX_MS } from "./limits.ts";

/** The clocks of a process. A part takes the members that it needs, so that tests can set the time. */
export interface Clock {
  /** The time of day. It can be wrong, and it can jump. */
  readonly now: () => Date;
  /** Milliseconds that never jump. They measure how long something takes, and mean nothing outside of this process. */
  readonly monotonicNow: () => number;
}

export const systemClock: Clock = { now: () => new Date(), monotonicNow: () => performance.now() };

export interface ServiceClock {
  /** Takes the `Date` header of an answer that has just arrived. Ignores a text that is not a date. */
  readonly hear: (date: string | undefined) => void;
  /** How far this process's clock is ahead; negative: behind. Undefined before the first answer. */
  readonly skewMs: () => number | undefined;
  /** This process's time. Throws UnavailableError "ClockWrong" when it differs by more than CLOCK_SKEW_MAX_MS. */
  readonly trustedNow: () => Date;
}

export function createServiceClock({ now, monotonicNow }: Clock): ServiceClock {
  /** The service's time at zero of the monotonic clock. */
  let zeroAt: number | undefined;

  const skewMs = (): number | undefined =>
    zeroAt === undefined ? undefined : Math.round(now().getTime() - (zeroAt + monotonicNow()));

  return {
    skewMs,
    hear(date) {
      const time = Date.parse(date ?? "");
      if (!Number.isNaN(time)) zeroAt = time - monotonicNow();
    },
    trustedNow() {
      const skew = skewMs();
      if (skew === undefined || Math.abs(skew) <= CLOCK_SKEW_MAX_MS) return now();
      const seconds = Math.round(Math.abs(skew) / 1_000);
      throw new UnavailableError(
        "ClockWrong",
        `The clock of this machine is ${seconds} seconds ${skew > 0 ? "ahead of" : "behind"} that of storage. Set it right.`,
      );
    },
  };
}

/** Resolves after the time, or as soon as the signal fires. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}

/** Stops waiting when the signal says so; what is waited for goes on for others. Rejects with the signal's reason then. */
export async function abortable<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return waiting;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
