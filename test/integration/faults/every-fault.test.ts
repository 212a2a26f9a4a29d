import { describe, expect, it } from "vitest";
import { broken, casesOf, inLanes, runCase, type Breadth, type FaultCase } from "../../support/faults/fault-run.ts";
import { SCENARIOS } from "../../support/faults/fault-scenarios.ts";
import { createMemoryServices } from "../../support/faults/memory-lab.ts";

const LOCK_MS = 1_000;
const AT_A_TIME = 150;

/** What the API and the heartbeat do is the same in most scenarios. FAULTS=all strikes them in each, and twice. */
const breadth: Breadth =
  process.env["FAULTS"] === "all"
    ? { occurrences: 2, sameAs: ({ scenario, fault }) => [scenario.name, ...Object.values(fault)].join() }
    : {
        occurrences: 1,
        sameAs: ({ scenario, fault }) =>
          [...Object.values(fault), /^api |beat$/.test(fault.operation) ? "" : scenario.name].join(),
      };

async function run(one: FaultCase) {
  await using services = await createMemoryServices({ lockMs: LOCK_MS });
  return runCase(one, services);
}

describe("whatever call fails, in whatever way", () => {
  it("every invariant holds", { timeout: 180_000 }, async () => {
    const cloudless = SCENARIOS.map((scenario) => ({ scenario, fault: undefined }));
    const recorded = await inLanes(cloudless, AT_A_TIME, run);
    expect(broken(recorded)).toEqual([]);
    const cases = casesOf(recorded, breadth);
    const started = performance.now();
    const reports = await inLanes(cases, AT_A_TIME, run);
    console.log(cases.length, reports.filter(({ struck }) => struck).length, performance.now() - started);
    expect(broken(reports)).toEqual([]);
    // A call that timing alone brings about may stay away; most must have been struck, or nothing has been shown.
    expect(reports.filter(({ struck }) => struck).length).toBeGreaterThan(cases.length * 0.9);
  });
});
