import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { breaches, SCENARIOS, UNPROTECTED } from "../../infra/simulation/scenarios.ts";
import { simulate } from "../../infra/simulation/world.ts";

describe("autoscale under simulated loads", () => {
  it.each(SCENARIOS.map((judged) => [judged.scenario.name, judged] as const))(
    "autoscale passes: %s",
    (_name, judged) => {
      const outcome = simulate(judged.scenario);
      expect(breaches(judged, outcome)).toEqual([]);
      expect(outcome.jobs).toBeGreaterThan(0);
    },
  );

  it("autoscale reaches a hundred machines within 15 minutes of a burst", () => {
    const { trace } = simulate(SCENARIOS[0]!.scenario);
    const reached = trace.findIndex((instances) => instances === 100);
    expect(reached).toBeGreaterThan(0);
    // The burst comes at minute 5.
    expect(reached - 5).toBeLessThanOrEqual(15);
  });

  it("autoscale would remove busy workers if they did not protect themselves", () => {
    expect(simulate(UNPROTECTED).busyRemoved).toBeGreaterThan(0);
  });

  it("autoscale never exceeds its limits and loses no job under any load", () => {
    const load = fc.record({
      min: fc.integer({ min: 0, max: 5 }),
      extra: fc.integer({ min: 1, max: 95 }),
      slots: fc.integer({ min: 1, max: 8 }),
      jobMinutes: fc.integer({ min: 1, max: 60 }),
      arrivals: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 40 }),
      lockedCount: fc.boolean(),
      blind: fc.option(fc.constantFrom(0, undefined, 1_000)),
    });
    fc.assert(
      fc.property(load, ({ min, extra, slots, jobMinutes, arrivals, lockedCount, blind }) => {
        const max = min + extra;
        const outcome = simulate({
          name: "any",
          queueCount: 3,
          min,
          max,
          slots,
          jobMinutes,
          lockedCount,
          protection: true,
          minutes: 200,
          arrivals: (minute, queue) => (queue === minute % 3 ? (arrivals[minute] ?? 0) : 0),
          ...(blind === null
            ? {}
            : { falseReading: (minute: number) => (minute > 20 && minute < 60 ? { value: blind } : undefined) }),
        });
        expect(Math.max(...outcome.trace)).toBeLessThanOrEqual(max);
        expect(Math.min(...outcome.trace)).toBeGreaterThanOrEqual(min);
        expect(outcome.busyRemoved).toBe(0);
        expect(outcome.finished).toBeLessThanOrEqual(outcome.jobs);
      }),
      { numRuns: 60 },
    );
  });
});
