/**
 * Whether this process's clock can be trusted for what must not be wrong: which ticks of timers are due, and from when a
 * timer ticks. It is compared with the time that storage's answers carry. Between two answers a clock that never jumps
 * says how much time has passed, so that a jump is noticed before the next answer. Pure: both clocks are given.
 */
import { UnavailableError } from "./errors.ts";
import { CLOCK_SKEW_MAX_MS } from "./limits.ts";

export interface ServiceClock {
  /** Takes the time of an answer that has just come, as HTTP header `Date` has it. Ignores what is no date. */
  readonly hear: (date: string | undefined) => void;
  /** How far this process's clock is ahead; negative: behind. Undefined: no answer has come yet. */
  readonly skewMs: () => number | undefined;
  /** This process's time. Throws UnavailableError "ClockWrong" when it differs by more than CLOCK_SKEW_MAX_MS. */
  readonly trustedNow: () => Date;
}

export interface ServiceClockDeps {
  readonly now: () => Date;
  readonly monotonicNow: () => number;
}

export function createServiceClock({ now, monotonicNow }: ServiceClockDeps): ServiceClock {
  /** What the service's time was when the other clock read zero. */
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
