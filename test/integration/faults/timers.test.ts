import { describe, expect, it } from "vitest";
import { broken, casesOf, inLanes, runCase, type FaultCase } from "../../support/faults/fault-run.ts";
import { createMemoryServices } from "../../support/faults/memory-lab.ts";
import { TIMER_SCENARIOS } from "../../support/faults/timer-scenarios.ts";

const LOCK_MS = 1_000;
const AT_A_TIME = 60;
/** What every job needs is struck in every-fault.test.ts. */
const OF_TIMERS = /^(?!sweeper|api).* (timers|jobs|batches|queue|delivery)\./;

async function run(one: FaultCase) {
  await using services = await createMemoryServices({ lockMs: LOCK_MS });
  return await runCase(one, services);
}

describe("whatever call fails around the ticks of a timer, in whatever way", () => {
  it("each runs once or is recorded as left out, no two overlap, and none is lost", { timeout: 300_000 }, async () => {
    const cloudless = TIMER_SCENARIOS.map((scenario) => ({ scenario, fault: undefined }));
    const recorded = await inLanes(cloudless, AT_A_TIME, run);
    expect(broken(recorded)).toEqual([]);
    expect(recorded.flatMap(({ seen }) => seen.map(({ operation }) => operation))).toEqual(
      expect.arrayContaining(["worker timers.run", "worker timers.writeRun", "worker jobs.update queued-canceled"]),
    );
    const all = casesOf(recorded, {
      occurrences: process.env["FAULTS"] === "all" ? 4 : 1,
      sameAs: ({ scenario, fault }) => `${scenario.name} ${fault.operation} ${fault.occurrence} ${fault.kind}`,
    });
    const cases = all.filter(({ fault }) => fault !== undefined && OF_TIMERS.test(fault.operation));
    const reports = await inLanes(cases, AT_A_TIME, run);
    expect(broken(reports)).toEqual([]);
    // Which of two workers is given a message is a matter of timing, and so is how often they ask.
    expect(reports.filter(({ struck }) => struck).length).toBeGreaterThan(cases.length * 0.75);
  });
});
