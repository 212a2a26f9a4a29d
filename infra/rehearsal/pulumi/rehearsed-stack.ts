/**
 * Stacks that are deployed into the stand-in cloud, from a copy of the project. The user's own stacks, Pulumi settings
 * and build output do not change. The copy's code can be changed to make another release.
 */
import { appendFile, cp, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, relative, sep } from "node:path";
import process from "node:process";
import { parse } from "yaml";
import { ROOT } from "../../tools/stack-graph.ts";
import { recordProgram, type StartProgram } from "../../tools/stub-engine.ts";
import { command } from "../cloud/command.ts";
import { createPulumiStack, findPulumi, type Engine } from "./pulumi-stack.ts";
import { residentProgram } from "./resident-program.ts";
import type { CloudRecord } from "./record.ts";
import { createStandIn, type ChangeVerb } from "./stand-in.ts";
import { createStubStack } from "./stub-stack.ts";

export interface RehearsedStack extends Engine {
  /** All resources after the last deployment. */
  readonly cloud: CloudRecord;
}

export interface RehearsedProject {
  /** The engine: `pulumi v3.…` if it is on the PATH, else `stub` with the version of Pulumi's SDK. */
  readonly engine: string;
  createStack(name: string): Promise<RehearsedStack>;
  /** Makes the next deployment another release. The same text makes the same release. */
  writeRelease(text: string): Promise<void>;
}

export interface RehearsedProjectOptions {
  /** Must not exist. */
  readonly folder: string;
  /** Whether the stub engine runs the program in this process, for many deployments in a short time. */
  readonly resident: boolean;
}

/** Top-level folders that contain no source. */
const LEFT_OUT: readonly string[] = ["node_modules", ".git", "dist", ".jobyard", "coverage"];
/** A file that both programs import. */
const RELEASE_FILE = join("runtime", "core", "limits.ts");

export async function createRehearsedProject({ folder, resident }: RehearsedProjectOptions): Promise<RehearsedProject> {
  await cp(ROOT, folder, {
    recursive: true,
    filter: (source) =>
      !LEFT_OUT.includes(relative(ROOT, source).split(sep)[0] ?? "") && !source.endsWith(`${sep}node_modules`),
  });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const releaseFile = join(folder, RELEASE_FILE);
  const original = await readFile(releaseFile, "utf8");
  let release = "";
  const programs = await findPulumi(process.env["PATH"] ?? "");
  const project: StubProject = {
    ...{
      folder,
      description: parse(await readFile(join(folder, "Pulumi.yaml"), "utf8")) as StubProject["description"],
    },
    ...(resident && programs === undefined && { start: await residentProgram(folder, () => release) }),
  };

  return {
    engine: programs === undefined ? `stub ${sdkVersion()}` : `pulumi ${await pulumiVersion(programs)}`,
    async createStack(stack) {
      const cloud: CloudRecord = {};
      const engine =
        programs === undefined
          ? stubEngine(project, stack, cloud)
          : await createPulumiStack({ programs, project: folder, stack, cloud });
      return { ...engine, cloud };
    },
    async writeRelease(text) {
      release = text;
      await writeFile(releaseFile, original);
      // A side effect that no bundler removes.
      if (text !== "")
        await appendFile(releaseFile, `\nObject.assign(globalThis, { release: ${JSON.stringify(text)} });\n`);
    },
  };
}

const sdkVersion = (): string =>
  (createRequire(import.meta.url)("@pulumi/pulumi/package.json") as { readonly version: string }).version;
const pulumiVersion = async (programs: string): Promise<string> =>
  (await command(join(programs, "pulumi"), "version")).trim();

interface StubProject {
  readonly folder: string;
  readonly description: { readonly name: string; readonly main: string };
  readonly start?: StartProgram;
}

function stubEngine({ folder, description, start }: StubProject, stack: string, cloud: CloudRecord): Engine {
  const changes: string[] = [];
  const onChange = (verb: ChangeVerb, name: string): void => void changes.push(`${verb} ${name}`);
  let deployer: string | undefined;
  const standIn = createStandIn(cloud, { deployer: () => deployer, onChange });
  const stub = createStubStack(standIn);
  const environment = { ...process.env, PULUMI_NODEJS_TYPESCRIPT: "false" };
  return {
    async up({ config, dieAfter, deployer: by }) {
      deployer = by;
      changes.length = 0;
      await stub.up(
        (engine) =>
          recordProgram({
            ...{ project: description.name, stack, root: folder, main: description.main, config, environment },
            cloud: engine,
            ...(start && { start }),
          }),
        dieAfter === undefined ? {} : { dieAfter },
      );
      return [...changes];
    },
    async destroy() {
      changes.length = 0;
      await Promise.resolve();
      stub.destroy();
      return [...changes];
    },
    recover: () => Promise.resolve(stub.recover()),
  };
}
