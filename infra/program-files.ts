/**
 * Bundles the programs of a release into a few JavaScript files that include all imports. A machine then needs only
 * Node. The same source gives the same bytes.
 */
import { basename, join } from "node:path";
import { build, type BuildOptions } from "esbuild";
import { RELEASES } from "../runtime/core/deployment/storage-layout.ts";
import { hasWebSource, webFiles } from "../web/build/build-web.ts";
import { NODE_BUNDLE } from "../runtime/package/build/node-bundle.ts";

export type Program = "api" | "worker";

export interface ProgramFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

const RUNTIME = join(import.meta.dirname, "../runtime");

/** Imported only when running from source, or optional for the libraries that import it. */
const LEFT_OUT = ["esbuild", "dtrace-provider"];

/** Files by program, started as `node {program}.mjs`. Throws esbuild's BuildFailure if the source cannot be bundled. */
export async function programFiles(): Promise<Record<Program, readonly ProgramFile[]>> {
  // One build for both, because they share most modules.
  const [programs, host, web] = await Promise.all([
    bundle([main("api"), main("worker")], ".mjs", NODE_BUNDLE),
    bundle([{ in: "worker/process/host/main.ts", out: "host" }], ".cjs", COMMON_JS),
    // A fork can delete the dashboard.
    hasWebSource() ? webFiles() : [],
  ]);
  const named = (name: string): ProgramFile => {
    const found = [...programs, ...host].find(({ path }) => path === name);
    if (found === undefined) throw new Error(`The build made no bundle for ${name}.`);
    return found;
  };
  // A worker looks for the host of its children next to itself.
  const pages = web.map(({ path, content }) => ({
    path: `${RELEASES.webFolder}/${path}`,
    content,
    executable: false,
  }));
  return { api: [named("api.mjs"), ...pages], worker: [named("worker.mjs"), named("host.cjs")] };
}

interface Entry {
  readonly in: string;
  readonly out: string;
}
const main = (program: Program): Entry => ({ in: `main/${program}.ts`, out: program });

/** Needs none of the shims in NODE_BUNDLE, because the host imports no library. */
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
    // The licences of bundled code stay with it.
    legalComments: "eof",
    external: LEFT_OUT,
  });
  return outputFiles.map(({ path, contents }) => ({ path: basename(path), content: contents, executable: false }));
}
