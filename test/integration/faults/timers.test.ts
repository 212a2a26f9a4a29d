import { describe, expect, it } from "vitest";
import { breadth } from "../../support/breadth.ts";
import { broken, callOf, notStruck, type Breadth } from "../../support/faults/fault-run.ts";
import { sweepMemory } from "../../support/faults/memory-sweep.ts";
import { TIMER_SCENARIOS } from "../../support/faults/timer-scenarios.ts";

const wide: Breadth = {
  occurrences: breadth(1, 2),
  share: breadth(1 / 3, 1),
  sameAs: ({ scenario, fault }) => `${scenario.name} ${callOf(fault)}`,
  // What every job needs is struck in every-fault.test.ts.
  only: /^(?!sweeper|api).* (timers|jobs|batches|queue|delivery)\./,
};

describe("whatever call fails around the ticks of a timer, in whatever way", () => {
  it("with any failing call, each tick runs once or is recorded, and no runs overlap", async () => {
    const { recorded, reports, timersLeft } = await sweepMemory(TIMER_SCENARIOS, wide);
    expect(broken(recorded)).toEqual([]);
    expect(recorded.flatMap(({ seen }) => seen.map(({ operation }) => operation))).toEqual(
      expect.arrayContaining(["worker timers.run", "worker timers.writeRun", "worker jobs.update queued-canceled"]),
    );
    expect(broken(reports)).toEqual([]);
    expect(notStruck(reports)).toEqual([]);
    expect(timersLeft).toBe(0);
  });
});
