/**
 * The programs of a release as few JavaScript files with everything they import inside, so that a machine needs Node and
 * nothing else. The same source gives the same bytes.
 */
import { basename, join } from "node:path";
import { build, type BuildOptions } from "esbuild";
import { NODE_BUNDLE } from "../runtime/package/build/node-bundle.ts";

export type Program = "api" | "worker";

export interface ProgramFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

const RUNTIME = join(import.meta.dirname, "../runtime");

/** Imported only by those who run from source, or by libraries that do without. */
const LEFT_OUT = ["esbuild", "dtrace-provider"];

/** By program, which is started as `node {program}.mjs`. Throws esbuild's BuildFailure when the source cannot be bundled. */
export async function programFiles(): Promise<Record<Program, readonly ProgramFile[]>> {
  // Both in one build, because they share most of their modules.
  const [programs, host] = await Promise.all([
    bundle([main("api"), main("worker")], ".mjs", NODE_BUNDLE),
    bundle([{ in: "worker/process/host/main.ts", out: "host" }], ".cjs", COMMON_JS),
  ]);
  const named = (name: string): ProgramFile => {
    const found = [...programs, ...host].find(({ path }) => path === name);
    if (found === undefined) throw new Error(`No bundle was made of ${name}.`);
    return found;
  };
  // A worker finds the host of its children beside itself.
  return { api: [named("api.mjs")], worker: [named("worker.mjs"), named("host.cjs")] };
}

interface Entry {
  readonly in: string;
  readonly out: string;
}
const main = (program: Program): Entry => ({ in: `main/${program}.ts`, out: program });

/** Needs nothing that has to be made up for: the host imports no library. */
const COMMON_JS: BuildOptions = {
  bundle: true,
  format: "cjs",
  platform: "node",
  target: NODE_BUNDLE.target,
  charset: NODE_BUNDLE.charset,
  logLevel: NODE_BUNDLE.logLevel,
};

async function bundle(entryPoints: Entry[], extension: string, options: BuildOptions): Promise<readonly ProgramFile[]> {
  const { outputFiles } = await build({
    ...options,
    absWorkingDir: RUNTIME,
    entryPoints,
    outdir: RUNTIME,
    outExtension: { ".js": extension },
    write: false,
    minify: true,
    // Licences of what is inside stay with it.
    legalComments: "eof",
    external: LEFT_OUT,
  });
  return outputFiles.map(({ path, contents }) => ({ path: basename(path), content: contents, executable: false }));
}
