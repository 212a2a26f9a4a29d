/** The Pulumi program: reads the stack's configuration, bundles the code, and declares the stack. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { buildBundles } from "./bundles.ts";
import { parseInfraConfig } from "./config.ts";
import { deleteWithGroup } from "./deleted-with-group.ts";
import { createStack } from "./stack.ts";
import { readStackConfig } from "./stack-config.ts";

// First, because it says in a moment what is wrong.
const config = parseInfraConfig(readStackConfig());
const { packages } = config;
const bundles = await buildBundles(packages && join(import.meta.dirname, "..", packages.path));

deleteWithGroup();
export const {
  apiUrl,
  tenantId,
  clientId,
  publicClientId,
  resourceGroup,
  storageAccount,
  serviceBusNamespace,
  workerPools,
  apiVersion,
  workerVersion,
} = createStack({ stack: pulumi.getStack(), config, bundles });
