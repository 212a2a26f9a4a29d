/** Runs the Pulumi program: reads the stack's configuration, bundles the code, and declares the stack. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { buildBundles } from "./bundles.ts";
import { parseInfraConfig, type InfraConfig } from "./config.ts";
import { deleteWithGroup } from "./deleted-with-group.ts";
import { createStack, type StackOutputs } from "./stack.ts";
import { readStackConfig } from "./stack-config.ts";

const ROOT = join(import.meta.dirname, "..");
const SAMPLES = join(ROOT, "packages-sample");

/** Callers that declare many stacks of the same code pass their own `bundle`. */
export async function declareStack(bundle = buildBundles): Promise<StackOutputs> {
  // First, because it finds errors within a moment.
  const config = parseInfraConfig(readStackConfig());
  const bundles = await bundle(packageFolders(config));
  deleteWithGroup();
  return createStack({ stack: pulumi.getStack(), config, bundles });
}

/** A project that has deleted the samples is deployed without them, whatever its stacks ask for. */
const packageFolders = ({ packages }: InfraConfig): readonly string[] => [
  join(ROOT, packages.path),
  ...(packages.samples && existsSync(SAMPLES) ? [SAMPLES] : []),
];
