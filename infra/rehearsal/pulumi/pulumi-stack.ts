/**
 * Deploys the program with Pulumi's own engine, which loads the stand-in's two providers as plugins. The engine's
 * state, plugins and home are in a folder of the run. It uses neither the network nor the user's own Pulumi.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { ProgramFailedError } from "../../tools/stub-engine.ts";
import { changesFile, PROVIDER_ENV } from "./provider-files.ts";
import type { CloudRecord } from "./record.ts";

export interface PulumiStackOptions {
  /** Folder of the engine's programs, from `findPulumi`. */
  readonly programs: string;
  /** Folder of Pulumi.yaml. The stack's own file there is replaced. */
  readonly project: string;
  readonly stack: string;
  /** Changed in place. */
  readonly cloud: CloudRecord;
}

/** Options of a deployment, in addition to the stack's settings. */
export interface Deployment {
  /** By full key. Objects are JSON. */
  readonly config: Readonly<Record<string, string>>;
  /** The object id of the deployer. */
  readonly deployer?: string;
  /** The engine is killed after this many creations. Its pending requests are carried out. */
  readonly dieAfter?: number;
}

/** The name and version of the engine. */
export interface Engine {
  /** Each throws ProgramFailedError with the engine's message, and resolves with its changes: `create release-api`. */
  up(deployment: Deployment): Promise<readonly string[]>;
  destroy(): Promise<readonly string[]>;
  /** Does what `npm run recover` does. Resolves with its output. */
  recover(): Promise<string>;
}

const PROVIDERS = ["azure-native", "azuread"];
/** Makes the stack's state match the cloud after a killed `up`. */
const RECOVER = join("infra", "tools", "recover.ts");
const ENGINE_PROGRAMS = ["pulumi", "pulumi-language-nodejs"];
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;
const run = promisify(execFile);

/** The first folder of a search path that has Pulumi and its language host for Node. Undefined: none. */
export async function findPulumi(searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const found = ENGINE_PROGRAMS.map((program) => access(join(folder, program), constants.X_OK));
    if ((await Promise.allSettled(found)).every(({ status }) => status === "fulfilled")) return folder;
  }
  return undefined;
}

export async function createPulumiStack(options: PulumiStackOptions): Promise<Engine> {
  const { programs, project, stack, cloud } = options;
  const place = join(project, ".rehearsal", stack);
  const [home, state, plugins] = [join(place, "home"), join(place, "state"), join(place, "plugins")];
  for (const folder of [home, state, plugins]) await mkdir(folder, { recursive: true });
  const fileOf = (provider: string): string => join(place, `${provider}.json`);
  for (const provider of PROVIDERS) {
    const start = [process.execPath, join(import.meta.dirname, "provider.ts"), provider, fileOf(provider)];
    const script = `#!/bin/sh\nexec ${start.map(quoted).join(" ")} "$@"\n`;
    await writeFile(join(plugins, `pulumi-resource-${provider}`), script, { mode: 0o755 });
  }
  const configure = (config: Deployment["config"]): Promise<void> =>
    writeFile(
      join(project, `Pulumi.${stack}.yaml`),
      stringify({ config: Object.fromEntries(Object.entries(config).map(([key, text]) => [key, settingOf(text)])) }),
    );

  const env = {
    PATH: [plugins, programs, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
    HOME: home,
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
  async function execute(program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<string> {
    try {
      const place = { cwd: project, env: { ...env, ...more }, maxBuffer: OUTPUT_MAX_BYTES };
      return (await run(program, args, place)).stdout;
    } catch (error) {
      throw new ProgramFailedError(complaint(error), { cause: error });
    }
  }
  const pulumi = (args: readonly string[], more?: NodeJS.ProcessEnv): Promise<string> =>
    execute(join(programs, "pulumi"), [...args, "--non-interactive", "--color=never"], more);

  /** Each provider is a process with its own file. The record is both. */
  async function withProviders(act: () => Promise<unknown>): Promise<readonly string[]> {
    for (const provider of PROVIDERS) {
      const own = Object.entries(cloud).filter(([, { type }]) => type.startsWith(`${provider}:`));
      await writeFile(fileOf(provider), JSON.stringify(Object.fromEntries(own)));
      await writeFile(changesFile(fileOf(provider)), "");
    }
    try {
      await act();
    } finally {
      const parts = await Promise.all(PROVIDERS.map((provider) => readFile(fileOf(provider), "utf8")));
      for (const id of Object.keys(cloud)) Reflect.deleteProperty(cloud, id);
      Object.assign(cloud, ...parts.map((part) => JSON.parse(part) as CloudRecord));
    }
    const changes = await Promise.all(PROVIDERS.map((provider) => readFile(changesFile(fileOf(provider)), "utf8")));
    return changes.join("").split("\n").filter(Boolean);
  }

  await pulumi(["stack", "init", stack]);
  const unattended = [`--stack=${stack}`, "--yes"];
  return {
    async up({ config, deployer, dieAfter }) {
      await configure(config);
      return withProviders(() =>
        pulumi(["up", "--skip-preview", ...unattended], {
          ...(deployer !== undefined && { [PROVIDER_ENV.deployer]: deployer }),
          ...(dieAfter !== undefined && { [PROVIDER_ENV.dieAfter]: String(dieAfter) }),
        }),
      );
    },
    // Its preview refuses to delete protected resources before anything is deleted.
    destroy: () => withProviders(() => pulumi(["destroy", ...unattended])),
    recover: () => execute(process.execPath, [RECOVER, "--stack", stack, "--unlock"]),
  };
}

/** Objects and lists as a person writes them, so that the engine passes them on in its own form. */
const settingOf = (text: string): unknown => (/^[[{]/.test(text) ? JSON.parse(text) : text);

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** The end of the engine's output contains the error. */
function complaint(error: unknown): string {
  const { stdout = "", stderr = "", message } = error as Error & { readonly stdout?: string; readonly stderr?: string };
  const [, diagnostics] = /^Diagnostics:\n([\s\S]*?)(?=^\w|(?![\s\S]))/m.exec(stdout) ?? [];
  // Removes the warning that plugins are loaded from the PATH.
  return (diagnostics ?? stderr).replaceAll(/^ +warning: .*\n/gm, "").trim() || message;
}
