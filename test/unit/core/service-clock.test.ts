import { expect, it } from "vitest";
import { CLOCK_SKEW_MAX_MS } from "../../../runtime/core/limits.ts";
import { createServiceClock } from "../../../runtime/core/service-clock.ts";

const START = Date.parse("2026-03-01T08:00:00Z");
const HOUR_MS = 3_600_000;

/** A machine whose clock can be set; `pass` lets time go by. */
function machine() {
  let clockMs = START;
  let monotonicMs = 5_000;
  const clock = createServiceClock({ now: () => new Date(clockMs), monotonicNow: () => monotonicMs });
  return {
    clock,
    setBy: (ms: number) => void (clockMs += ms),
    pass: (ms: number): void => {
      clockMs += ms;
      monotonicMs += ms;
    },
    answer: (at: number) => clock.hear(new Date(at).toUTCString()),
  };
}

it("the service clock trusts a clock before any answer, and one that agrees with the answers", () => {
  const { clock, answer, pass } = machine();
  expect(clock.skewMs()).toBeUndefined();
  expect(clock.trustedNow()).toEqual(new Date(START));
  answer(START);
  pass(HOUR_MS);
  expect(clock.skewMs()).toBe(0);
  expect(clock.trustedNow()).toEqual(new Date(START + HOUR_MS));
});

it.each([
  [3 * HOUR_MS, "10800 seconds ahead of"],
  [-3 * HOUR_MS, "10800 seconds behind"],
])(
  "the service clock refuses a clock that was set by %d ms until it is set right, without another answer",
  (ms, how) => {
    const { clock, answer, setBy, pass } = machine();
    answer(START);
    setBy(ms);
    expect(() => clock.trustedNow()).toThrow(how);
    pass(60_000);
    expect(() => clock.trustedNow()).toThrow(expect.objectContaining({ code: "ClockWrong", retryable: true }));
    setBy(-ms);
    expect(clock.trustedNow()).toEqual(new Date(START + 60_000));
  },
);

it("the service clock accepts a skew of up to CLOCK_SKEW_MAX_MS", () => {
  const { clock, answer, setBy } = machine();
  answer(START);
  setBy(CLOCK_SKEW_MAX_MS);
  expect(clock.skewMs()).toBe(CLOCK_SKEW_MAX_MS);
  clock.trustedNow();
  setBy(1);
  expect(() => clock.trustedNow()).toThrow("Set it right");
});

it("the service clock uses the latest answer and ignores one without a time", () => {
  const { clock, answer } = machine();
  answer(START - 3 * HOUR_MS);
  expect(() => clock.trustedNow()).toThrow();
  answer(START);
  clock.hear(undefined);
  clock.hear("never");
  expect(clock.trustedNow()).toEqual(new Date(START));
});
