/**
 * A stack that is deployed into the stand-in cloud, from a copy of the project: nothing of the user's own stacks, Pulumi
 * settings or build output is touched, and the copy's code can be changed to make another release.
 */
import { appendFile, cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import process from "node:process";
import { parse } from "yaml";
import { readStackFile, ROOT } from "../tools/stack-graph.ts";
import { createStandIn, type CloudRecord } from "./stand-in.ts";
import { createStubStack } from "./stub-stack.ts";

export interface RehearsedStack {
  /** What runs the program: `stub`, or Pulumi with its version. */
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
  const stub = createStubStack(createStandIn(cloud));
  return {
    engine: "stub",
    cloud,
    async up() {
      await stub.up({
        project: project.name,
        stack,
        root: folder,
        main: project.main,
        config,
        environment: { ...process.env, PULUMI_NODEJS_TYPESCRIPT: "false" },
      });
    },
    async writeRelease(text) {
      // An effect that no bundler drops.
      await writeFile(releaseFile, original);
      if (text !== "")
        await appendFile(releaseFile, `\nObject.assign(globalThis, { release: ${JSON.stringify(text)} });\n`);
    },
    async destroy() {
      stub.destroy();
      await Promise.resolve();
    },
  };
}
