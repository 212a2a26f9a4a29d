/** Runs the Pulumi program: reads the stack's configuration, bundles the code, and declares the stack. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { buildBundles } from "./bundles.ts";
import { parseInfraConfig } from "./config.ts";
import { deleteWithGroup } from "./deleted-with-group.ts";
import { createStack, type StackOutputs } from "./stack.ts";
import { readStackConfig } from "./stack-config.ts";

/** Callers that declare many stacks of the same code pass their own `bundle`. */
export async function declareStack(bundle = buildBundles): Promise<StackOutputs> {
  // First, because it finds errors within a moment.
  const config = parseInfraConfig(readStackConfig());
  const { packages } = config;
  const bundles = await bundle(packages && join(import.meta.dirname, "..", packages.path));
  deleteWithGroup();
  return createStack({ stack: pulumi.getStack(), config, bundles });
}
