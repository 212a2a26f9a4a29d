import { describe, expect, it } from "vitest";
import { breadth } from "../../support/breadth.ts";
import { broken, callOf, notStruck, type Breadth } from "../../support/faults/fault-run.ts";
import { SCENARIOS } from "../../support/faults/fault-scenarios.ts";
import { sweepMemory } from "../../support/faults/memory-sweep.ts";

/** What the API and the heartbeat do is the same in most scenarios: only in full are they struck in each. */
const wide: Breadth = breadth(
  {
    occurrences: 1,
    share: 1 / 6,
    sameAs: ({ scenario, fault }) => `${/^api |beat$/.test(fault.operation) ? "" : scenario.name} ${callOf(fault)}`,
  },
  { occurrences: 2, sameAs: ({ scenario, fault }) => `${scenario.name} ${callOf(fault)}` },
);

describe("whatever call fails, in whatever way", () => {
  it("every invariant holds with any failing call", async () => {
    const { recorded, reports, timersLeft } = await sweepMemory(SCENARIOS, wide);
    expect(broken(recorded)).toEqual([]);
    expect(broken(reports)).toEqual([]);
    expect(notStruck(reports)).toEqual([]);
    expect(timersLeft).toBe(0);
  });
});
