import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, DEFAULT_RETRY, retryOverridesSchema, retryPolicyOf } from "../../../../runtime/core/job/retry.ts";

const policy = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 50 }),
  initialDelayMs: fc.integer({ min: 0, max: 100_000 }),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  maxDelayMs: fc.integer({ min: 0, max: 86_400_000 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("the wait before a retry", () => {
  it("the wait before a retry stays between its jittered share and its cap", () => {
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 60 }), chance, (p, failures, random) => {
        const full = Math.min(p.maxDelayMs, p.initialDelayMs * p.factor ** (failures - 1));
        const wait = backoffMs(p, failures, random);
        expect(wait).toBeLessThanOrEqual(Math.ceil(full));
        expect(wait).toBeGreaterThanOrEqual(Math.floor(full * (1 - p.jitter)));
      }),
    );
  });

  it("the wait before a retry grows with every failure at the same randomness", () => {
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 30 }), chance, (p, failures, random) => {
        expect(backoffMs(p, failures + 1, random)).toBeGreaterThanOrEqual(backoffMs(p, failures, random));
      }),
    );
  });

  it("the wait before a retry doubles from two seconds by default", () => {
    expect([1, 2, 3, 20].map((failures) => backoffMs(DEFAULT_RETRY, failures, 0))).toEqual([
      2_000, 4_000, 8_000, 300_000,
    ]);
  });
});

describe("a retry policy", () => {
  it("a retry policy takes each field from the submitter, else the package, else the default", () => {
    expect(retryPolicyOf({ maxAttempts: 9 }, { maxAttempts: 5, jitter: 0 })).toEqual({
      ...DEFAULT_RETRY,
      maxAttempts: 9,
      jitter: 0,
    });
  });

  it.each([
    { maxAttempts: 0 },
    { maxAttempts: 51 },
    { factor: 0.5 },
    { jitter: 2 },
    { initialDelayMs: -1 },
    { other: 1 },
  ])("a retry policy refuses %j", (overrides) => {
    expect(retryOverridesSchema.safeParse(overrides).success).toBe(false);
  });
});
