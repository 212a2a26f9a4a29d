import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_WEIGHTS, PRIORITIES, type Priority, createShare } from "../../../../runtime/core/job/priority.ts";

const weight = fc.integer({ min: 1, max: 50 });

describe("the order in which a free slot looks", () => {
  it("each look names every queue once, and each round gives every priority exactly its share of first places", () => {
    fc.assert(
      fc.property(weight, weight, weight, fc.integer({ min: 1, max: 3 }), (high, normal, low, rounds) => {
        const weights = { high, normal, low };
        const share = createShare(weights);
        const firsts: Record<Priority, number> = { high: 0, normal: 0, low: 0 };
        for (let i = 0; i < (high + normal + low) * rounds; i++) {
          const order = share();
          expect([...order].sort()).toEqual([...PRIORITIES].sort());
          firsts[order[0]!] += 1;
        }
        expect(firsts).toEqual({ high: high * rounds, normal: normal * rounds, low: low * rounds });
      }),
    );
  });

  it("no queue waits longer than a round for its first place", () => {
    const share = createShare();
    const total = Object.values(DEFAULT_WEIGHTS).reduce((a, b) => a + b);
    const firsts = Array.from({ length: total * 3 }, () => share()[0]);
    for (const priority of PRIORITIES) {
      const gaps = firsts.flatMap((first, index) => (first === priority ? [index] : []));
      for (const [i, at] of gaps.entries()) expect(at - (gaps[i - 1] ?? -1)).toBeLessThanOrEqual(total);
    }
  });

  it("the queues after the first follow by rank", () => {
    const orders = Array.from({ length: 21 }, createShare()).map((order) => order.join(","));
    expect(new Set(orders)).toEqual(new Set(["high,normal,low", "normal,high,low", "low,high,normal"]));
  });
});
