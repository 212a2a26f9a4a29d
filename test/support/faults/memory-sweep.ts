/** Strikes the calls of scenarios over services in memory, one in each run, in virtual time. */
import { inVirtualTime } from "./virtual-time.ts";
import { timersOfRoutes } from "./fault-api.ts";
import { type Breadth, type CaseReport, casesOf, type FaultCase, inLanes, runCase } from "./fault-run.ts";
import type { Scenario } from "./fault-scenarios.ts";
import { createMemoryServices } from "./memory-lab.ts";

const LOCK_MS = 1_000;
const AT_A_TIME = 100;

export interface Sweep {
  /** One run of each scenario without a fault. */
  readonly recorded: readonly CaseReport[];
  readonly reports: readonly CaseReport[];
  /** Timers that the runs have left behind. */
  readonly timersLeft: number;
}

async function run(one: FaultCase) {
  await using services = await createMemoryServices({ lockMs: LOCK_MS });
  return await runCase(one, services);
}

export async function sweepMemory(scenarios: readonly Scenario[], breadth: Breadth): Promise<Sweep> {
  const { value, timersLeft } = await inVirtualTime(async () => {
    const cloudless = scenarios.map((scenario) => ({ scenario, fault: undefined }));
    const recorded = await inLanes(cloudless, AT_A_TIME, run);
    return { recorded, reports: await inLanes(casesOf(recorded, breadth), AT_A_TIME, run) };
  });
  return { ...value, timersLeft: timersLeft - timersOfRoutes() };
}
