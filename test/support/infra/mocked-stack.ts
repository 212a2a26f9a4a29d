/** Creates a stack under Pulumi's mocks and returns what it would register: no loader, no cloud but a stand-in. */
import * as pulumi from "@pulumi/pulumi";
import type { Bundles } from "../../../infra/bundles.ts";
import { parseInfraConfig } from "../../../infra/config.ts";
import { createStack } from "../../../infra/stack.ts";
import type { Properties } from "../../../infra/rehearsal/pulumi/record.ts";
import { createStandIn } from "../../../infra/rehearsal/pulumi/stand-in.ts";
import { readStackFile } from "../../../infra/tools/stack-graph.ts";

export interface MockedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Properties;
}

export interface MockedStack {
  readonly resources: readonly MockedResource[];
  /** All of a type, at least one. */
  ofType(type: string): readonly MockedResource[];
  /** Inputs of the one with that name. */
  named(name: string): Properties;
}

const hash = (letter: string): string => letter.repeat(64);
export const FAKE_BUNDLES: Bundles = {
  api: { file: "/nowhere/api.zip", sha256: hash("a") },
  apiEntry: "api.mjs",
  worker: { file: "/nowhere/worker.zip", sha256: hash("b") },
  packages: [],
};

/** The configuration in a stack's file, by key without the project. */
export async function stackSettings(stack: string): Promise<Record<string, unknown>> {
  const entries = Object.entries(await readStackFile(stack));
  return Object.fromEntries(
    entries.filter(([key]) => key.startsWith("jobyard:")).map(([key, value]) => [key.replace("jobyard:", ""), value]),
  );
}

/** With the file's configuration and what is given besides. */
export async function mockedStack(
  stack: string,
  settings: Readonly<Record<string, unknown>> = {},
  bundles: Bundles = FAKE_BUNDLES,
): Promise<MockedStack> {
  const resources: MockedResource[] = [];
  // Pulumi notes where every promise was made; under a test runner each such note is translated by source maps.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await registerAll(stack, settings, bundles, resources);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }

  return {
    resources,
    ofType(type) {
      const found = resources.filter((resource) => resource.type === type);
      if (found.length === 0) throw new Error(`The stack has no ${type}.`);
      return found;
    },
    named(name) {
      const found = resources.find((resource) => resource.name === name && !resource.type.startsWith("jobyard:"));
      if (found === undefined) throw new Error(`The stack has no resource ${name}.`);
      return found.inputs;
    },
  };
}

/** What Pulumi's mocks ask, answered by the stand-in for Azure. */
export function mockedCloud(onResource: (resource: MockedResource) => void): pulumi.runtime.Mocks {
  const cloud = createStandIn({});
  return {
    async newResource({ type, name, inputs, custom }) {
      const given = await withTexts(inputs as Properties);
      onResource({ type, name, inputs: given });
      if (custom !== true) return { id: undefined, state: {} };
      const { id, outputs } = cloud.create(type, name, cloud.check(type, name, given, undefined));
      return { id, state: outputs };
    },
    call: ({ token }) => cloud.invoke(token),
  };
}

/** Shows what a text asset holds: Pulumi keeps it behind a promise. */
async function withTexts(inputs: Properties): Promise<Properties> {
  const { source } = inputs;
  return source instanceof pulumi.asset.StringAsset ? { ...inputs, source: { text: await source.text } } : inputs;
}

async function registerAll(
  stack: string,
  settings: Readonly<Record<string, unknown>>,
  bundles: Bundles,
  resources: MockedResource[],
): Promise<void> {
  await pulumi.runtime.setMocks(
    mockedCloud((resource) => resources.push(resource)),
    "jobyard",
    stack,
    false,
  );
  const config = parseInfraConfig({ ...(await stackSettings(stack)), ...settings });
  createStack({ stack, config, bundles });
  // Waits for everything on its way; the next stack connects anew.
  await pulumi.runtime.disconnect();
}
