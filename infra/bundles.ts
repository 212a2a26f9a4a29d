/**
 * Makes the deployable packages of API and worker from the source: bundled, zipped, named by their content. The same
 * source gives the same bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { writeZip } from "../runtime/packaging/zip.ts";
import type { ReleasePackage } from "./components/release.ts";

export interface Bundles {
  readonly api: ReleasePackage;
  /** File in the API's package that is started. */
  readonly apiEntry: string;
  readonly worker: ReleasePackage;
}

const ROOT = join(import.meta.dirname, "..");
/** Not under version control. */
const OUTPUT = join(ROOT, "dist", "release");

/** Programs that are files of their own in the package, by what they are called there. */
type Entries = Readonly<Record<string, string>>;

const API: Entries = { api: "runtime/main/api.ts" };
const WORKER: Entries = { worker: "runtime/main/worker.ts", host: "runtime/worker/process/host/main.ts" };

/** Bundled CommonJS asks for Node's own modules by `require`, which ES modules do not have. */
const BANNER = `import { createRequire as createRequireHere } from "node:module"; const require = createRequireHere(import.meta.url);`;
/** A native module that a logging library does without, and the bundler, for which the package ships its results. */
const EXTERNAL = ["dtrace-provider", "esbuild"];

export async function buildBundles(): Promise<Bundles> {
  const [api, worker] = await Promise.all([packageOf("api", API), packageOf("worker", WORKER)]);
  return { api, apiEntry: "api.mjs", worker };
}

async function packageOf(name: string, entries: Entries): Promise<ReleasePackage> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: { ...entries },
    outdir: "/",
    outExtension: { ".js": ".mjs" },
    write: false,
    bundle: true,
    minify: true,
    // Errors and credentials are told apart by the names of their classes.
    keepNames: true,
    platform: "node",
    target: "node24",
    format: "esm",
    banner: { js: BANNER },
    external: EXTERNAL,
    logLevel: "error",
  });
  const zip = await writeZip([
    ...outputFiles.map(({ path, contents }) => ({
      path: path.replace(/^.*\//, ""),
      content: contents,
      executable: false,
    })),
    { path: "package.json", content: Buffer.from(JSON.stringify({ type: "module" })), executable: false },
  ]);
  const sha256 = createHash("sha256").update(zip).digest("hex");
  const file = join(OUTPUT, `${name}-${sha256}.zip`);
  await mkdir(OUTPUT, { recursive: true });
  // Complete at every moment: a preview and a deployment may run side by side.
  const half = `${file}.${process.pid}`;
  await writeFile(half, zip);
  await rename(half, file);
  return { file, sha256 };
}
