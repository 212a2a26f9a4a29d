/**
 * Turns a package's source into few JavaScript files with everything they import inside, except modules that must stay
 * as they are (native ones): those are left as imports and named, to be copied beside the code.
 */
import { join } from "node:path";
import { type BuildFailure, type Message, type OutputFile, type Plugin, build as esbuild } from "esbuild";
import { createNativeCheck } from "./native-modules.ts";
import { type InstalledModule, moduleOfFile } from "./installed-module.ts";
import { NODE_BUNDLE } from "./node-bundle.ts";
import { PackError, type PackProblem } from "./problem.ts";
import { JOB_MODULE } from "./source-files.ts";

export interface BundleRequest {
  readonly directory: string;
  /** What each source file contributes, by its path. */
  readonly entries: ReadonlyMap<string, BundleEntry>;
  /** Modules to be left out beside those found to be native. */
  readonly external: readonly string[];
}

export interface BundleEntry {
  /** Exports of the source file that hold jobs. */
  readonly exportNames: readonly string[];
  /** The source file that exports the package's `setup`. */
  readonly setupFile: string | undefined;
}

export interface Bundle {
  /** Path in the package by source file. */
  readonly entryFiles: ReadonlyMap<string, string>;
  readonly files: readonly { readonly path: string; readonly content: Uint8Array }[];
  /** Modules the code still imports. */
  readonly externals: readonly InstalledModule[];
  readonly warnings: readonly PackProblem[];
}

const ENTRY_NAMESPACE = "jobyard-entry";
const JOB_MODULE_FILE = join(import.meta.dirname, "../job/index.ts");

/** Throws PackError for syntax errors and imports that lead nowhere. */
export async function bundleSources(request: BundleRequest): Promise<Bundle> {
  const { directory, entries } = request;
  const outputOf = (source: string) => source.replace(/\.[cm]?[jt]sx?$/, "");
  const externals = new Map<string, InstalledModule>();
  const result = await esbuild({
    absWorkingDir: directory,
    outdir: directory,
    entryPoints: [...entries.keys()].map((source) => ({ in: `${ENTRY_NAMESPACE}:${source}`, out: outputOf(source) })),
    plugins: [entryPlugin(entries), externalPlugin(request, externals)],
    splitting: true,
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunks/[name]-[hash]",
    ...NODE_BUNDLE,
  }).catch((error: unknown) => {
    throw isBuildFailure(error) ? new PackError(error.errors.map(asProblem), { cause: error }) : error;
  });
  return {
    entryFiles: new Map([...entries.keys()].map((source) => [source, `${outputOf(source)}.mjs`])),
    files: result.outputFiles.map((file) => ({ path: pathInPackage(directory, file), content: file.contents })),
    externals: [...externals.values()],
    warnings: result.warnings.map(asProblem),
  };
}

const pathInPackage = (directory: string, { path }: OutputFile): string =>
  path.slice(directory.length + 1).replaceAll("\\", "/");

const isBuildFailure = (error: unknown): error is BuildFailure => error instanceof Error && "errors" in error;

function asProblem({ text, location }: Message): PackProblem {
  const missing = /^Could not resolve "([^"]+)"/.exec(text)?.[1];
  const message =
    missing === undefined || missing.startsWith(".")
      ? text
      : `Cannot find ${JSON.stringify(missing)}: list it under "dependencies" in package.json and run npm install.`;
  if (location === null) return { message };
  return { message, position: { file: location.file, line: location.line, column: location.column + 1 } };
}

/** Every source file with jobs becomes an entry that exports these jobs and the package's `setup`, and nothing else. */
function entryPlugin(entries: BundleRequest["entries"]): Plugin {
  return {
    name: ENTRY_NAMESPACE,
    setup(build) {
      const resolveDir = build.initialOptions.absWorkingDir ?? "";
      build.onResolve({ filter: new RegExp(`^${ENTRY_NAMESPACE}:`) }, ({ path }) => ({
        path: path.slice(ENTRY_NAMESPACE.length + 1),
        namespace: ENTRY_NAMESPACE,
      }));
      build.onLoad({ filter: /.*/, namespace: ENTRY_NAMESPACE }, ({ path }) => {
        const { exportNames, setupFile } = entries.get(path) ?? { exportNames: [], setupFile: undefined };
        const lines = [`export { ${exportNames.join(", ")} } from ${JSON.stringify(`./${path}`)};`];
        if (setupFile !== undefined) lines.push(`export { setup } from ${JSON.stringify(`./${setupFile}`)};`);
        return { contents: lines.join("\n"), resolveDir };
      });
    },
  };
}

/** Points `jobyard/job` at the runtime's own, and leaves out modules that are native or listed as external. */
function externalPlugin({ external }: BundleRequest, found: Map<string, InstalledModule>): Plugin {
  const asked = Symbol("asked");
  return {
    name: "jobyard-external",
    setup(build) {
      const isNative = createNativeCheck();
      build.onResolve({ filter: new RegExp(`^${JOB_MODULE}$`) }, () => ({ path: JOB_MODULE_FILE }));
      build.onResolve({ filter: /^[^./]/ }, async (args) => {
        if (args.namespace === ENTRY_NAMESPACE || args.kind === "entry-point" || args.pluginData === asked)
          return undefined;
        const { kind, importer, resolveDir, namespace } = args;
        const target = await build.resolve(args.path, { kind, importer, resolveDir, namespace, pluginData: asked });
        if (target.errors.length > 0 || target.external || target.namespace !== "file") return undefined;
        const module = await moduleOfFile(target.path);
        if (module === undefined || !(external.includes(module.name) || (await isNative(module)))) return undefined;
        const known = found.get(module.name);
        if (known !== undefined && known.root !== module.root) {
          const text = `Two versions of ${module.name} are imported (${known.root} and ${module.root}), but only one can be copied into the package.`;
          return { errors: [{ text }] };
        }
        found.set(module.name, module);
        return { path: args.path, external: true };
      });
    },
  };
}
