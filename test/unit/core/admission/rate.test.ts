import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { takeTime, type TakenTimes } from "../../../../runtime/core/admission/rate.ts";

const rates = fc.record({ max: fc.integer({ min: 1, max: 300 }), perMs: fc.integer({ min: 100, max: 3_600_000 }) });

/** The starts that come of requests at these times. */
function startsOf(rate: { max: number; perMs: number }, requests: readonly number[]) {
  let taken: TakenTimes = [];
  let longest = 0;
  const starts = requests.map((now) => {
    const time = takeTime(taken, rate, now);
    taken = time.taken;
    longest = Math.max(longest, taken.length);
    return time.startsAt;
  });
  return { starts, longest };
}

describe("taking a time under a rate", () => {
  it("never lets a span hold more starts than may be, keeps their order and stays small", () => {
    fc.assert(
      fc.property(rates, fc.array(fc.nat({ max: 100_000 }), { maxLength: 900 }), (rate, gaps) => {
        let at = 1_700_000_000_000;
        const requests = gaps.map((gap) => (at += gap % 3 === 0 ? gap : 0));
        const { starts, longest } = startsOf(rate, requests);
        starts.forEach((start, index) => {
          expect(start).toBeGreaterThanOrEqual(requests[index]!);
          if (index > 0) expect(start).toBeGreaterThanOrEqual(starts[index - 1]!);
          const before = starts[index - rate.max];
          if (before !== undefined) expect(start - before).toBeGreaterThanOrEqual(rate.perMs);
        });
        expect(longest).toBeLessThanOrEqual(103);
      }),
    );
  });

  it("starts as many at once as may start in a span, and the next when the first has left it", () => {
    const { starts } = startsOf({ max: 3, perMs: 1_000 }, [5_001, 5_001, 5_001, 5_001, 5_002]);
    expect(starts).toEqual([5_001, 5_001, 5_001, 6_010, 6_010]);
  });

  it("comes a hundredth of the span too late at most", () => {
    fc.assert(
      fc.property(rates, (rate) => {
        const { starts } = startsOf(
          rate,
          Array.from({ length: rate.max + 1 }, () => 1_700_000_000_123),
        );
        expect(starts.at(-1)! - starts[0]!).toBeLessThanOrEqual(rate.perMs + Math.max(1, Math.ceil(rate.perMs / 100)));
      }),
    );
  });
});
