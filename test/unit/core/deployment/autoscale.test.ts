import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AUTOSCALE_MAX_INSTANCES,
  AUTOSCALE_MAX_RULES,
  decideScale,
  planAutoscale,
  type AutoscalePlan,
} from "../../../../runtime/core/deployment/autoscale.ts";

const QUEUES = ["jobs-default-high", "jobs-default-normal", "jobs-default-low"];
const plan = (min: number, max: number, slots = 1): AutoscalePlan => planAutoscale({ queues: QUEUES, min, max, slots });

/** The same reading over every window. */
const at = (instances: number, depths: readonly (number | undefined)[]) => ({
  instances,
  reading: (queue: string) => depths[QUEUES.indexOf(queue)],
});

describe("an autoscale plan", () => {
  it("an autoscale plan stays within the limits of Azure Monitor for every pool", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 1_000 }),
        (min, max, slots) => {
          fc.pre(min <= max);
          const { rules, minimum, maximum, fallback } = plan(min, max, slots);
          expect(rules.length).toBeLessThanOrEqual(AUTOSCALE_MAX_RULES);
          expect([minimum, maximum]).toEqual([min, max]);
          expect(fallback).toBeGreaterThanOrEqual(1);
          for (const rule of rules) {
            expect(rule.windowMinutes).toBeGreaterThanOrEqual(5);
            expect(rule.cooldownMinutes).toBeGreaterThanOrEqual(1);
          }
        },
      ),
    );
  });

  it.each([
    [{ min: 0, max: 101 }, /100 instances at most, not 101/],
    [{ min: 3, max: 2 }, /between 3 and 2/],
    [{ min: 0, max: 0 }, /between 0 and 0/],
    [{ min: 1.5, max: 2 }, /between 1.5 and 2/],
  ])("an autoscale plan is refused for %j", (range, message) => {
    expect(() => plan(range.min, range.max)).toThrow(message);
  });

  it("an autoscale plan is refused for more queues than ten rules can watch", () => {
    const queues = ["a", "b", "c", "d"];
    expect(planAutoscale({ queues, min: 1, max: 2, slots: 1 }).rules).toHaveLength(8);
    expect(() => planAutoscale({ queues, min: 0, max: 2, slots: 1 })).toThrow(/10 rules at most; 4 queues need 12/);
  });

  it("the rule that wakes a pool acts at no instance only", () => {
    const wakes = (of: AutoscalePlan) => of.rules.filter(({ perInstance }) => !perInstance);
    expect(wakes(plan(0, 5))).toHaveLength(3);
    expect(wakes(plan(1, 5))).toEqual([]);
  });
});

describe("what the rules decide", () => {
  it("the pool doubles while any queue has more messages than slots, up to the maximum", () => {
    expect(decideScale(plan(1, 100), at(8, [0, 9, 0])).instances).toBe(16);
    expect(decideScale(plan(1, 100), at(80, [0, 0, 81])).instances).toBe(100);
    expect(decideScale(plan(1, 100), at(100, [0, 0, 900])).instances).toBe(100);
    expect(decideScale(plan(1, 100, 4), at(8, [32, 0, 0])).instances).toBe(8);
    expect(decideScale(plan(1, 100, 4), at(8, [33, 0, 0])).instances).toBe(16);
  });

  it("the pool shrinks in steps when all queues are quiet, and not below the minimum", () => {
    expect(decideScale(plan(1, 100), at(40, [19, 19, 21])).instances).toBe(40);
    expect(decideScale(plan(1, 100), at(40, [5, 5, 5])).instances).toBe(30);
    expect(decideScale(plan(3, 100), at(5, [0, 0, 0])).instances).toBe(3);
    expect(decideScale(plan(1, 10), at(5, [0, 0, 0])).instances).toBe(4);
  });

  it("the pool never shrinks so far that it would grow again at the same load", () => {
    // 12 machines with 5 messages each way: ten fewer would have more than one message each.
    expect(decideScale(plan(1, 100), at(12, [5, 0, 0])).instances).toBe(5);
  });

  it("one message wakes an empty pool, and a pool with a message left never becomes empty", () => {
    expect(decideScale(plan(0, 100), at(0, [0, 0, 0])).instances).toBe(0);
    expect(decideScale(plan(0, 100), at(0, [0, 0, 0.2])).instances).toBe(1);
    expect(decideScale(plan(0, 100), at(1, [0, 0, 0.2])).instances).toBe(1);
    expect(decideScale(plan(0, 100), at(1, [0, 0, 0])).instances).toBe(0);
  });

  it("the pool never shrinks without readings, and then has at least the fallback", () => {
    expect(decideScale(plan(1, 100), at(40, [0, undefined, 0])).instances).toBe(40);
    expect(decideScale(plan(0, 100), at(0, [undefined, undefined, undefined])).instances).toBe(1);
    expect(decideScale(plan(1, 100), at(8, [undefined, 9, undefined])).instances).toBe(16);
  });

  it("a pool outside its bounds is brought back", () => {
    expect(decideScale(plan(2, 10), at(0, [0, 0, 0])).instances).toBe(2);
    expect(decideScale(plan(2, 10), at(30, [900, 0, 0])).instances).toBe(10);
  });

  it("after a step in, the same load never causes a step out", () => {
    const depth = fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 6, max: 100 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: AUTOSCALE_MAX_INSTANCES }),
        fc.tuple(depth, depth, depth),
        (min, max, slots, instances, depths) => {
          const of = plan(min, max, slots);
          const next = decideScale(of, at(instances, depths)).instances;
          expect(next).toBeGreaterThanOrEqual(min);
          expect(next).toBeLessThanOrEqual(max);
          if (next < instances && instances <= max) {
            expect(decideScale(of, at(next, depths)).instances).toBeLessThanOrEqual(next);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
