/**
 * A stack that is deployed into the stand-in cloud, from a copy of the project: nothing of the user's own stacks, Pulumi
 * settings or build output is touched, and the copy's code can be changed to make another release.
 */
import { appendFile, cp, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, relative, sep } from "node:path";
import process from "node:process";
import { parse } from "yaml";
import { readStackFile, ROOT } from "../tools/stack-graph.ts";
import { recordProgram } from "../tools/stub-engine.ts";
import { createPulumiStack, findPulumi, type PulumiStackOptions } from "./pulumi-stack.ts";
import { createStandIn, type CloudRecord } from "./stand-in.ts";
import { createStubStack } from "./stub-stack.ts";

export interface RehearsedStack {
  /** What deploys: `pulumi v3.…` where it is on the PATH, else `stub` with the version of Pulumi's SDK. */
  readonly engine: string;
  /** Everything there is after the last deployment. */
  readonly cloud: CloudRecord;
  up(): Promise<void>;
  /** Makes the next deployment another release; the same text makes the same release. */
  writeRelease(text: string): Promise<void>;
  destroy(): Promise<void>;
}

export interface RehearsedStackOptions {
  readonly stack: string;
  /** Must not exist. */
  readonly folder: string;
  /** Settings that replace those of the stack's file, by full key. */
  readonly overrides: Readonly<Record<string, string>>;
}

/** Top-level folders that are no source. */
const LEFT_OUT: readonly string[] = ["node_modules", ".git", "dist", ".jobyard", "coverage"];
/** A file that both programs import. */
const RELEASE_FILE = join("runtime", "core", "limits.ts");

export async function createRehearsedStack({
  stack,
  folder,
  overrides,
}: RehearsedStackOptions): Promise<RehearsedStack> {
  await cp(ROOT, folder, {
    recursive: true,
    filter: (source) =>
      !LEFT_OUT.includes(relative(ROOT, source).split(sep)[0] ?? "") && !source.endsWith(`${sep}node_modules`),
  });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const releaseFile = join(folder, RELEASE_FILE);
  const original = await readFile(releaseFile, "utf8");
  const project = parse(await readFile(join(folder, "Pulumi.yaml"), "utf8")) as { name: string; main: string };
  const config = { ...(await readStackFile(stack)), ...overrides };

  const cloud: CloudRecord = {};
  const programs = await findPulumi(process.env["PATH"] ?? "");
  const engine =
    programs === undefined
      ? stubEngine({ cloud, project, stack, folder, config })
      : await realEngine({ programs, project: folder, stack, config, cloud });
  return {
    ...engine,
    cloud,
    async writeRelease(text) {
      // An effect that no bundler drops.
      await writeFile(releaseFile, original);
      if (text !== "")
        await appendFile(releaseFile, `\nObject.assign(globalThis, { release: ${JSON.stringify(text)} });\n`);
    },
  };
}

type Engine = Pick<RehearsedStack, "engine" | "up" | "destroy">;

async function realEngine(options: PulumiStackOptions): Promise<Engine> {
  const pulumi = await createPulumiStack(options);
  return { engine: `pulumi ${pulumi.version}`, up: () => pulumi.up(), destroy: () => pulumi.destroy() };
}

interface StubEngineOptions extends Pick<PulumiStackOptions, "stack" | "config" | "cloud"> {
  readonly project: { readonly name: string; readonly main: string };
  readonly folder: string;
}

function stubEngine({ cloud, project, stack, folder, config }: StubEngineOptions): Engine {
  const { version } = createRequire(import.meta.url)("@pulumi/pulumi/package.json") as { version: string };
  const stub = createStubStack(createStandIn(cloud));
  const environment = { ...process.env, PULUMI_NODEJS_TYPESCRIPT: "false" };
  return {
    engine: `stub ${version}`,
    up: () =>
      stub.up((engine) =>
        recordProgram({
          ...{ project: project.name, stack, root: folder, main: project.main, config, environment },
          cloud: engine,
        }),
      ),
    async destroy() {
      await Promise.resolve();
      stub.destroy();
    },
  };
}
