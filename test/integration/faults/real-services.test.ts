import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { breadth } from "../../support/breadth.ts";
import type { FaultKind } from "../../support/faults/fault-plan.ts";
import { broken, callOf, casesOf, inLanes, runCase, type FaultCase } from "../../support/faults/fault-run.ts";
import { SCENARIOS } from "../../support/faults/fault-scenarios.ts";
import { startRealLab, type RealLab, type Runner } from "../../support/faults/real-lab.ts";

const LOCK_MS = 3_000;
const LANES = 10;
const pools = Array.from({ length: LANES }, (_, lane) => `lane-${lane}`);
let lab: RealLab;

beforeAll(async () => {
  lab = await startRealLab(pools, { lockMs: LOCK_MS });
});
afterAll(() => lab[Symbol.asyncDispose]());

const runWith = (runner: Runner) => async (one: FaultCase, lane: number) => {
  await using services = await lab.services(pools[lane]!, runner);
  return await runCase(one, services);
};

const scenario = (words: string) => SCENARIOS.find(({ name }) => name.includes(words))!;

describe("over Azurite and the local Service Bus, with the SDKs", () => {
  it(
    "every invariant holds, whatever first call of an operation fails, in whatever way",
    { timeout: 300_000 },
    async () => {
      const scenarios = breadth(
        ["large parameters", "cancel while", "many jobs"],
        ["large parameters", "exhausted", "requeued", "cancel while", "many jobs"],
      ).map(scenario);
      const run = runWith("scripts");
      const recorded = await inLanes(
        scenarios.map((one) => ({ scenario: one, fault: undefined })),
        LANES,
        run,
      );
      expect(broken(recorded)).toEqual([]);
      const all = casesOf(recorded, { occurrences: 1, share: breadth(1 / 8, 1), sameAs: ({ fault }) => callOf(fault) });
      // Seen from here an outage is many broken calls; the sweep over services in memory has it.
      const cases = all.filter(({ fault }) => fault?.kind !== "outage");
      const reports = await inLanes(cases, LANES, run);
      expect(broken(reports)).toEqual([]);
      expect(reports.filter(({ struck }) => struck).length).toBeGreaterThan(cases.length * 0.9);
    },
  );

  it("every invariant holds over real services, and no process is left", { timeout: 120_000 }, async () => {
    const fault = (words: string, operation: string, kind: FaultKind): FaultCase => ({
      scenario: scenario(words),
      fault: { operation, occurrence: 1, kind },
    });
    const whole = [
      fault("large parameters", "worker delivery.renew", "lose-lock"),
      fault("large parameters", "worker jobs.update running-running", "late"),
      fault("large parameters", "worker jobs.update running-succeeded", "fail-after"),
      fault("fails and succeeds", "worker jobs.update running-queued", "fail-after"),
      fault("exhausted", "worker delivery.deadLetter", "lose-lock"),
      fault("cancel while", "worker jobs.update running-canceled", "move-row"),
      fault("drains", "first jobs.update running-queued", "late"),
      fault("cut off", "second jobs.update running-running", "lose-answer"),
      fault("dies", "again jobs.update running-queued", "fail-after"),
    ];
    const cases = breadth(whole.slice(0, 3), whole);
    const reports = await inLanes(cases, LANES, runWith("children"));
    expect(broken(reports)).toEqual([]);
    // A child that starts slowly may be gone before the call it was to make.
    expect(reports.filter(({ struck }) => struck).length).toBeGreaterThanOrEqual(cases.length - breadth(1, 2));
  });
});
