/** Every resource that a stack registers, in a form that is the same on every machine and in every run. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { createStandIn } from "../rehearsal/pulumi/stand-in.ts";
import { ProgramFailedError, recordProgram, type Properties, type RecordedProgram } from "./stub-engine.ts";

export const ROOT = join(import.meta.dirname, "../..");

export interface StackGraph extends RecordedProgram {
  readonly stack: string;
}

const projectSchema = z.object({
  name: z.string(),
  main: z.string(),
  runtime: z.object({ name: z.literal("nodejs"), options: z.object({ typescript: z.boolean() }) }),
});
const stackSchema = z.object({ config: z.record(z.string(), z.unknown()) });
/** What `pulumi config set --secret` writes. */
const secretSchema = z.strictObject({ secure: z.string() });

/**
 * The configuration in Pulumi.<stack>.yaml, as the engine passes it to a program. Throws ProgramFailedError without
 * one.
 */
export async function readStackFile(stack: string): Promise<Readonly<Record<string, string>>> {
  const name = `Pulumi.${stack}.yaml`;
  const text = await readFile(join(ROOT, name), "utf8").catch((cause: unknown) => {
    throw new ProgramFailedError(`${name} does not exist: stack ${stack} has no configuration here.`, { cause });
  });
  return settingsIn(text);
}

/** The settings in the text of a stack's file. Secrets are left out: only Pulumi can decrypt them. */
export function settingsIn(text: string): Readonly<Record<string, string>> {
  const { config } = stackSchema.parse(parse(text));
  const readable = Object.entries(config).filter(([, value]) => !secretSchema.safeParse(value).success);
  return Object.fromEntries(readable.map(([key, value]) => [key, settingText(value)]));
}

/** A setting, as the engine passes it to the program. */
export const settingText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, sortedKeys);

/**
 * Objects in the engine's form: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/config/plaintext.go
 */
const sortedKeys = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

export interface GraphRequest {
  readonly stack: string;
  /** The environment of this process. The program gets it, as from the CLI. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Values that replace those of the stack's file, by full key. */
  readonly overrides?: Readonly<Record<string, string>>;
}

/** Throws ProgramFailedError if the program does not run to its end. */
export async function stackGraph({ stack, environment, overrides }: GraphRequest): Promise<StackGraph> {
  const project = projectSchema.parse(parse(await readFile(join(ROOT, "Pulumi.yaml"), "utf8")));
  const cloud = createStandIn({});
  const { registrations, outputs } = await recordProgram({
    project: project.name,
    stack,
    root: ROOT,
    main: project.main,
    config: { ...(await readStackFile(stack)), ...overrides },
    environment: { ...environment, PULUMI_NODEJS_TYPESCRIPT: String(project.runtime.options.typescript) },
    cloud: {
      preview: true,
      register({ type, name, inputs }) {
        const { id, outputs: state } = cloud.create(type, name, cloud.check(type, name, inputs, undefined));
        return { id, state };
      },
      invoke: (token) => cloud.invoke(token),
    },
  });
  return {
    stack,
    registrations: registrations.map((registration) => ({ ...registration, inputs: portable(registration.inputs) })),
    outputs: portable(outputs),
  };
}

/** Shortens files to their place in the project, and large values to a digest. */
function portable(properties: Properties): Properties {
  return JSON.parse(JSON.stringify(properties).replaceAll(`${ROOT}/`, "")) as Properties;
}
