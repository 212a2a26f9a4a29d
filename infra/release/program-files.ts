/**
 * The programs of a release as few JavaScript files with everything they import inside, so that a machine needs Node and
 * nothing else. The same source gives the same bytes.
 */
import { join } from "node:path";
import { build } from "esbuild";
import { NODE_BUNDLE } from "../../runtime/packaging/node-bundle.ts";

export type Program = "api" | "worker";

export interface ReleaseFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

const RUNTIME = join(import.meta.dirname, "../../runtime");

/** Source file by the name its bundle has in the release. A worker finds the host of its children beside itself. */
const ENTRIES: Record<Program, Readonly<Record<string, string>>> = {
  api: { api: "main/api.ts" },
  worker: { worker: "main/worker.ts", host: "worker/process/host/main.ts" },
};

/** Imported only by those who run from source, or by libraries that do without. */
const LEFT_OUT = ["esbuild", "dtrace-provider"];

/** Started as `node {program}.mjs`. Throws esbuild's BuildFailure when the source cannot be bundled. */
export async function programFiles(program: Program): Promise<readonly ReleaseFile[]> {
  const { outputFiles } = await build({
    ...NODE_BUNDLE,
    absWorkingDir: RUNTIME,
    outdir: RUNTIME,
    entryPoints: ENTRIES[program],
    outExtension: { ".js": ".mjs" },
    minify: true,
    // Licences of what is inside stay with it.
    legalComments: "eof",
    external: LEFT_OUT,
  });
  return outputFiles.map(({ path, contents }) => ({
    path: path.slice(RUNTIME.length + 1),
    content: contents,
    executable: false,
  }));
}
