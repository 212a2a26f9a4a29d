import { describe, expect, it } from "vitest";
import { type CaseReport, casesOf, type FaultCase, runCase } from "../../support/faults/fault-run.ts";
import { SCENARIOS } from "../../support/faults/fault-scenarios.ts";
import { createMemoryServices } from "../../support/faults/memory-lab.ts";

const LOCK_MS = 800;
const OCCURRENCES = 2;
const AT_A_TIME = 400;

async function run(one: FaultCase): Promise<CaseReport> {
  await using services = await createMemoryServices({ lockMs: LOCK_MS });
  return runCase(one, services);
}

async function runAll(cases: readonly FaultCase[]): Promise<readonly CaseReport[]> {
  const waiting = [...cases];
  const reports: CaseReport[] = [];
  const runNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) reports.push(await run(next));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, runNext));
  return reports;
}

const told = ({ scenario, fault, violations }: CaseReport): string =>
  `${scenario.name}; ${fault === undefined ? "no fault" : `${fault.kind} at ${fault.operation} #${fault.occurrence}`}:\n  ${violations.join("\n  ")}`;

describe("whatever call fails, in whatever way", () => {
  it("every invariant holds", async () => {
    const recorded = await runAll(SCENARIOS.map((scenario) => ({ scenario, fault: undefined })));
    expect(recorded.filter(({ violations }) => violations.length > 0).map(told)).toEqual([]);
    const cases = recorded.flatMap(({ scenario, seen }) => casesOf(scenario, seen, OCCURRENCES));
    const started = performance.now();
    const reports = await runAll(cases);
    console.log(
      cases.length,
      "cases",
      reports.filter(({ struck }) => struck).length,
      "struck",
      Math.round(performance.now() - started),
      "ms",
    );
    expect(reports.filter(({ violations }) => violations.length > 0).map(told)).toEqual([]);
  }, 120_000);
});
