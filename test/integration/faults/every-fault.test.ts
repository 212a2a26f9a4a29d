import { describe, expect, it } from "vitest";
import type { Fault } from "../../support/faults/fault-plan.ts";
import { broken, casesOf, inLanes, runCase, type Breadth, type FaultCase } from "../../support/faults/fault-run.ts";
import { SCENARIOS } from "../../support/faults/fault-scenarios.ts";
import { createMemoryServices } from "../../support/faults/memory-lab.ts";

const LOCK_MS = 1_000;
const AT_A_TIME = 100;

const callOf = ({ operation, occurrence, kind }: Fault): string => `${operation} ${occurrence} ${kind}`;

/** What the API and the heartbeat do is the same in most scenarios. FAULTS=all strikes them in each, and twice. */
const breadth: Breadth =
  process.env["FAULTS"] === "all"
    ? { occurrences: 2, sameAs: ({ scenario, fault }) => `${scenario.name} ${callOf(fault)}` }
    : {
        occurrences: 1,
        sameAs: ({ scenario, fault }) => `${/^api |beat$/.test(fault.operation) ? "" : scenario.name} ${callOf(fault)}`,
      };

async function run(one: FaultCase) {
  await using services = await createMemoryServices({ lockMs: LOCK_MS });
  return await runCase(one, services);
}

const timerCount = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

describe("whatever call fails, in whatever way", () => {
  it("every invariant holds", { timeout: 600_000 }, async () => {
    const timersBefore = timerCount();
    const cloudless = SCENARIOS.map((scenario) => ({ scenario, fault: undefined }));
    const recorded = await inLanes(cloudless, AT_A_TIME, run);
    expect(broken(recorded)).toEqual([]);
    const cases = casesOf(recorded, breadth);
    const reports = await inLanes(cases, AT_A_TIME, run);
    expect(broken(reports)).toEqual([]);
    // A call that timing alone brings about may stay away; most must have been struck, or nothing has been shown.
    expect(reports.filter(({ struck }) => struck).length).toBeGreaterThan(cases.length * 0.9);
    await expect.poll(timerCount, { timeout: 10_000 }).toBeLessThanOrEqual(timersBefore + 1);
  });
});
