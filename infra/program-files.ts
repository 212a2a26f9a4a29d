/**
 * The programs of a release as few JavaScript files with everything they import inside, so that a machine needs Node and
 * nothing else. The same source gives the same bytes.
 */
import { join } from "node:path";
import { build, type BuildOptions } from "esbuild";
import { NODE_BUNDLE } from "../runtime/packaging/node-bundle.ts";

export type Program = "api" | "worker";

export interface ProgramFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

const RUNTIME = join(import.meta.dirname, "../runtime");

/** Imported only by those who run from source, or by libraries that do without. */
const LEFT_OUT = ["esbuild", "dtrace-provider"];

/** Started as `node {program}.mjs`. Throws esbuild's BuildFailure when the source cannot be bundled. */
export async function programFiles(program: Program): Promise<readonly ProgramFile[]> {
  const main = bundle(`${program}.mjs`, `main/${program}.ts`, NODE_BUNDLE);
  if (program === "api") return [await main];
  // A worker finds the host of its children beside itself.
  return Promise.all([main, bundle("host.cjs", "worker/process/host/main.ts", COMMON_JS)]);
}

/** Needs nothing that has to be made up for: the host imports no library. */
const COMMON_JS: BuildOptions = {
  bundle: true,
  format: "cjs",
  platform: "node",
  target: NODE_BUNDLE.target,
  charset: NODE_BUNDLE.charset,
  logLevel: NODE_BUNDLE.logLevel,
};

async function bundle(path: string, source: string, options: BuildOptions): Promise<ProgramFile> {
  const {
    outputFiles: [output],
  } = await build({
    ...options,
    absWorkingDir: RUNTIME,
    entryPoints: [source],
    outfile: join(RUNTIME, path),
    write: false,
    minify: true,
    // Licences of what is inside stay with it.
    legalComments: "eof",
    external: LEFT_OUT,
  });
  if (output === undefined) throw new Error(`No bundle was made of ${source}.`);
  return { path, content: output.contents, executable: false };
}
