/**
 * Runs the program in this process, as Pulumi's automation API runs programs that are functions. Loading the program,
 * its providers and a bundler takes seconds. Declaring a stack takes a fraction of one.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import languageProto from "@pulumi/pulumi/proto/language_pb.js";
import type { Bundles } from "../../bundles.ts";
import type { StartProgram } from "../../tools/stub-engine.ts";

type BuildBundles = (packageFolders?: readonly string[]) => Promise<Bundles>;
/** It has no types of its own. */
const { LanguageServer } = createRequire(import.meta.url)("@pulumi/pulumi/automation/server.js") as {
  readonly LanguageServer: new (program: () => Promise<unknown>) => {
    run(call: { readonly request: unknown }, answer: (error?: Error) => void): void;
  };
};

/** `project` contains the program. `release` names its code, so that each release is bundled only once. */
export async function residentProgram(project: string, release: () => string): Promise<StartProgram> {
  const { declareStack } = (await import(join(project, "infra/declare-stack.ts"))) as {
    readonly declareStack: (bundle: BuildBundles) => Promise<unknown>;
  };
  const { buildBundles } = (await import(join(project, "infra/bundles.ts"))) as { buildBundles: BuildBundles };
  const bundled = new Map<string, Promise<Bundles>>();
  const bundle: BuildBundles = (packages) => {
    const key = JSON.stringify([release(), packages]);
    const bundles = bundled.get(key) ?? buildBundles(packages);
    bundled.set(key, bundles);
    return bundles;
  };

  return async ({ project: name, stack, config, cloud }, engineAddress) => {
    const request = new languageProto.RunRequest();
    request.setProject(name);
    request.setStack(stack);
    request.setParallel(PARALLEL);
    request.setArgsList([engineAddress]);
    request.setMonitorAddress(engineAddress);
    request.setDryrun(cloud.preview);
    for (const [key, value] of Object.entries(config)) request.getConfigMap().set(key, value);
    const server = new LanguageServer(() => declareStack(bundle));
    const { stackTraceLimit } = Error;
    // Otherwise Pulumi records where thousands of promises were created.
    Error.stackTraceLimit = 0;
    try {
      await new Promise<void>((resolve, reject) => {
        server.run({ request }, (error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
      });
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
}

/** Registrations at a time. This is the engine's default. */
const PARALLEL = 16;
