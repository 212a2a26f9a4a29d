/**
 * Lives of stacks, each from its first deployment to its end. A life has no services and no machines, only the program,
 * an engine and the stand-in. `life-steps.ts` has the steps of a life.
 */
import { join } from "node:path";
import { readStackFile } from "../tools/stack-graph.ts";
import { LIFE_STEPS } from "./steps/life-steps.ts";
import { KEY, type Life } from "./steps/life.ts";
import { createRehearsedProject, type RehearsedProject } from "./pulumi/rehearsed-stack.ts";
import { runSteps, type Step, type Verdict } from "./steps/step.ts";

/** Pools that a typical fork has. */
const FORK_POOLS = {
  gpu: { subnet: 1, vmSize: "Standard_NC4as_T4_v3", min: 0, max: 4 },
  farm: { subnet: 2, autoscale: false, count: 800, spot: true },
};

export interface LivesOptions {
  /** The stacks. `fork` has the settings of another stack, and three pools. */
  readonly stacks: readonly string[];
  readonly forkOf: string;
  /** The folder for all files. It must exist. */
  readonly folder: string;
  readonly onEnd: (verdict: Verdict, step: Pick<Step<unknown>, "title">) => void;
}

export const FORK = "fork";

/** Runs one life after the other. */
export async function runLives({ stacks, forkOf, folder, onEnd }: LivesOptions): Promise<{
  readonly engine: string;
  readonly verdicts: readonly Verdict[];
}> {
  const project = await createRehearsedProject({ folder: join(folder, "project"), resident: true });
  const verdicts: Verdict[] = [];
  for (const name of stacks) {
    await project.writeRelease("");
    const life = await begin(project, name, forkOf);
    const steps = LIFE_STEPS.map((step, index) => ({
      ...step,
      name: `${name} ${step.name}`,
      needs: LIFE_STEPS.slice(0, index)
        .slice(-1)
        .map((before) => `${name} ${before.name}`),
    }));
    verdicts.push(...(await runSteps(steps, life, onEnd)));
  }
  return { engine: project.engine, verdicts };
}

async function begin(project: RehearsedProject, name: string, forkOf: string): Promise<Life> {
  const all = Object.entries(await readStackFile(name === FORK ? forkOf : name));
  const [own, others] = [true, false].map((isOwn) => all.filter(([key]) => key.startsWith(KEY) === isOwn)) as [
    typeof all,
    typeof all,
  ];
  return {
    ...{ project, stack: await project.createStack(name), config: Object.fromEntries(others) },
    settings: {
      ...Object.fromEntries(own.map(([key, text]) => [key.slice(KEY.length), text])),
      ...(name === FORK && { pools: FORK_POOLS }),
    },
  };
}
