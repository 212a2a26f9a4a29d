/**
 * Whether this process's clock can be trusted. A wrong clock would send the wrong ticks of timers and start timers at the
 * wrong time. The clock is compared with the time in storage's answers. Between two answers a monotonic clock measures
 * what has passed, so that a jump is noticed before the next answer. Pure: both clocks are given.
 */
import type { Clock } from "./clock.ts";
import { UnavailableError } from "./errors.ts";
import { CLOCK_SKEW_MAX_MS } from "./limits.ts";

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
