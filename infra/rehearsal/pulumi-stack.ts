/**
 * Deploys the program with Pulumi's own engine, which finds the stand-in's two providers as plugins. The engine's state,
 * plugins and home are in a folder of the run; nothing is asked of the network or of the user's own Pulumi.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { ProgramFailedError } from "../tools/stub-engine.ts";
import type { CloudRecord } from "./stand-in.ts";

export interface PulumiStackOptions {
  /** Folder of the engine's programs, from `findPulumi`. */
  readonly programs: string;
  /** Folder of Pulumi.yaml. The stack's own file there is replaced. */
  readonly project: string;
  readonly stack: string;
  /** By full key; objects as JSON. */
  readonly config: Readonly<Record<string, string>>;
  /** Changed in place. */
  readonly cloud: CloudRecord;
}

export interface PulumiStack {
  readonly version: string;
  /** Both throw ProgramFailedError with what the engine says. */
  up(): Promise<void>;
  destroy(): Promise<void>;
}

const PROVIDERS = ["azure-native", "azuread"];
const ENGINE_PROGRAMS = ["pulumi", "pulumi-language-nodejs"];
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;
const run = promisify(execFile);

/** The first folder of a search path that has Pulumi, and beside it what runs programs in Node; undefined: there is none. */
export async function findPulumi(searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const found = ENGINE_PROGRAMS.map((program) => access(join(folder, program), constants.X_OK));
    if ((await Promise.allSettled(found)).every(({ status }) => status === "fulfilled")) return folder;
  }
  return undefined;
}

export async function createPulumiStack(options: PulumiStackOptions): Promise<PulumiStack> {
  const { programs, project, stack, config, cloud } = options;
  const place = join(project, ".rehearsal");
  const [home, state, plugins] = [join(place, "home"), join(place, "state"), join(place, "plugins")];
  for (const folder of [home, state, plugins]) await mkdir(folder, { recursive: true });
  const fileOf = (provider: string): string => join(place, `${provider}.json`);
  for (const provider of PROVIDERS) {
    const start = [process.execPath, join(import.meta.dirname, "provider.ts"), provider, fileOf(provider)];
    const script = `#!/bin/sh\nexec ${start.map(quoted).join(" ")} "$@"\n`;
    await writeFile(join(plugins, `pulumi-resource-${provider}`), script, { mode: 0o755 });
  }
  await writeFile(join(project, `Pulumi.${stack}.yaml`), stringify({ config }));

  const env = {
    PATH: [plugins, programs, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
    HOME: home,
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
  async function pulumi(...args: readonly string[]): Promise<string> {
    try {
      const all = [...args, "--non-interactive", "--color=never"];
      const { stdout } = await run(join(programs, "pulumi"), all, { cwd: project, env, maxBuffer: OUTPUT_MAX_BYTES });
      return stdout;
    } catch (error) {
      throw new ProgramFailedError(complaint(error), { cause: error });
    }
  }

  /** Each provider is a process with a file of its own; the record is both. */
  async function withProviders(act: () => Promise<unknown>): Promise<void> {
    for (const provider of PROVIDERS) {
      const own = Object.entries(cloud).filter(([, { type }]) => type.startsWith(`${provider}:`));
      await writeFile(fileOf(provider), JSON.stringify(Object.fromEntries(own)));
    }
    try {
      await act();
    } finally {
      const parts = await Promise.all(PROVIDERS.map((provider) => readFile(fileOf(provider), "utf8")));
      for (const id of Object.keys(cloud)) Reflect.deleteProperty(cloud, id);
      Object.assign(cloud, ...parts.map((part) => JSON.parse(part) as CloudRecord));
    }
  }

  const version = (await pulumi("version")).trim();
  await pulumi("stack", "init", stack);
  const unattended = [`--stack=${stack}`, "--yes"];
  return {
    version,
    up: () => withProviders(() => pulumi("up", "--skip-preview", ...unattended)),
    // Its preview refuses to delete what is protected before anything is deleted.
    destroy: () => withProviders(() => pulumi("destroy", ...unattended)),
  };
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** The engine ends what it prints with what went wrong. */
function complaint(error: unknown): string {
  const { stdout = "", stderr = "", message } = error as Error & { readonly stdout?: string; readonly stderr?: string };
  const [, diagnostics] = /^Diagnostics:\n([\s\S]*?)(?=^\w|(?![\s\S]))/m.exec(stdout) ?? [];
  // That plugins are taken from the PATH is what it warns of.
  return (diagnostics ?? stderr).replaceAll(/^ +warning: .*\n/gm, "").trim() || message;
}
