/** Shared by the steps of a stack's life: deploys with other settings, and checks the changes. */
import { settingText } from "../../tools/stack-graph.ts";
import { ProgramFailedError } from "../../tools/stub-engine.ts";
import type { Deployment } from "../pulumi/pulumi-stack.ts";
import type { RehearsedProject, RehearsedStack } from "../pulumi/rehearsed-stack.ts";
import type { Properties } from "../pulumi/record.ts";

/** Settings without `jobyard:`, as values. Undefined removes one. */
export type LifeSettings = Readonly<Record<string, unknown>>;

export interface Life {
  readonly project: Pick<RehearsedProject, "writeRelease">;
  readonly stack: RehearsedStack;
  /** The settings of the last deployment. */
  settings: LifeSettings;
  /** By full key. These are not settings of this project. */
  readonly config: Readonly<Record<string, string>>;
}

/** The changes of a deployment in the cloud: names in the program, in order. */
export interface Changes {
  readonly create: readonly string[];
  readonly update: readonly string[];
  readonly remove: readonly string[];
}

/** The prefix of each setting of this project. */
export const KEY = "jobyard:";

/** Deploys with these settings changed. The change is permanent. */
export async function up(
  life: Life,
  settings: LifeSettings = {},
  options: Omit<Deployment, "config"> = {},
): Promise<Changes> {
  life.settings = { ...life.settings, ...settings };
  const own = Object.entries(life.settings).flatMap(([key, value]) =>
    value === undefined ? [] : [[`${KEY}${key}`, settingText(value)] as const],
  );
  return changesOf(await life.stack.up({ ...options, config: { ...life.config, ...Object.fromEntries(own) } }));
}

/** Throws unless the deployment fails with this message. */
export async function expectRefusal(act: Promise<unknown>, message: string): Promise<void> {
  const refusal = await act.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(refusal instanceof ProgramFailedError)) throw new Error(`Not refused: ${message}`, { cause: refusal });
  if (!refusal.message.includes(message)) throw new Error(`Refused, but not with ${message}:\n${refusal.message}`);
}

/** Throws unless exactly this was changed. */
export function expectChanges(actual: Changes, expected: Partial<Changes>): void {
  const problems = (["create", "update", "remove"] as const).flatMap((verb) => {
    const [is, should] = [actual[verb], (expected[verb] ?? []).toSorted()];
    const [more, missing] = [is.filter((name) => !should.includes(name)), should.filter((name) => !is.includes(name))];
    if (more.length === 0 && missing.length === 0 && is.length === should.length) return [];
    return [`${verb}: ${is.length} instead of ${should.length}; too many: ${more.join()}; missing: ${missing.join()}`];
  });
  if (problems.length > 0) throw new Error(problems.join("\n  "));
}

export const expectNone = (actual: Changes): void => expectChanges(actual, {});

function changesOf(lines: readonly string[]): Changes {
  const named = (verb: string): readonly string[] =>
    lines
      .filter((line) => line.startsWith(`${verb} `))
      .map((line) => line.slice(verb.length + 1))
      .toSorted();
  return { create: named("create"), update: named("update"), remove: named("remove") };
}

/** Inputs of the resource of that name, of the newest if there are two. */
export function inputsOf({ stack }: Pick<Life, "stack">, name: string): Properties {
  const found = Object.values(stack.cloud).findLast((resource) => resource.name === name);
  if (found === undefined) throw new Error(`${name} does not exist.`);
  return found.inputs;
}
