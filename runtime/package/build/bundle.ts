/**
 * Bundles a package's source and its imports into a few JavaScript files. Native and listed modules stay imports. They
 * are returned, so that they can be copied beside the code.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import {
  type BuildFailure,
  type BuildResult,
  type Loader,
  type Message,
  type OutputFile,
  type Plugin,
  build as esbuild,
} from "esbuild";
import { type BesideFile, type BesideFiles, besideFiles, withoutMarks } from "./beside-files.ts";
import { type AbsentModules, createAbsentModules, placedModuleWarnings } from "./dependency-warnings.ts";
import { createNativeCheck } from "./native-modules.ts";
import { type InstalledModule, findModule, moduleOfFile } from "./installed-module.ts";
import { NODE_BUNDLE } from "./node-bundle.ts";
import { PackError, type PackProblem } from "./problem.ts";
import { withPortableComments, withPortableMap } from "./source-map.ts";
import { JOB_MODULE, outputOf } from "./source-modules.ts";

export interface BundleRequest {
  readonly directory: string;
  /** The jobs and setup of each source file, by its path. */
  readonly entries: ReadonlyMap<string, BundleEntry>;
  /** Modules to copy in addition to native ones. */
  readonly external: readonly string[];
  /** Modules that look for files of their own but need no warning. */
  readonly bundled: readonly string[];
}

export interface BundleEntry {
  /** Exports of the source file that hold jobs. */
  readonly exportNames: readonly string[];
  /** The source file that exports the package's `setup`. */
  readonly setupFile: string | undefined;
}

export interface Bundle {
  /** Path in the package for each source file. */
  readonly entryFiles: ReadonlyMap<string, string>;
  readonly files: readonly { readonly path: string; readonly content: Uint8Array }[];
  /** Modules that the code still imports. */
  readonly externals: readonly InstalledModule[];
  /** Files other than code that the code names relative to itself. */
  readonly besides: readonly BesideFile[];
  readonly warnings: readonly PackProblem[];
}

const ENTRY_NAMESPACE = "jobyard-entry";
/** Beside this file's code in the built package. */
const SHIPPED_JOB_MODULE = join(import.meta.dirname, "job.mjs");
/** What `jobyard/job` is, and the folder of all that it imports. */
const [JOB_MODULE_FILE, SDK_DIRECTORY] = existsSync(SHIPPED_JOB_MODULE)
  ? [SHIPPED_JOB_MODULE, import.meta.dirname]
  : [join(import.meta.dirname, "../../job-sdk/index.ts"), join(import.meta.dirname, "../..")];

/** Throws PackError for syntax errors, unresolved imports, and worker threads whose file cannot be determined. */
export async function bundleSources(request: BundleRequest): Promise<Bundle> {
  const { directory, entries } = request;
  const places = { directory, sdkDirectory: SDK_DIRECTORY };
  const externals = new Map<string, InstalledModule>();
  const absent = createAbsentModules();
  const beside = new Map<string, BesideFiles>();
  const plugins = [entryPlugin(entries), besidePlugin(directory, beside), externalPlugin(request, externals, absent)];
  const built = await buildWithBeside(request, plugins, beside);
  const problems = [...beside.values()].flatMap((one) => [...one.problems]);
  for (const name of request.external) {
    // Includes modules without an import, such as a plug-in that another module loads by its name.
    const module = externals.get(name) ?? (await findModule(name, directory));
    if (module === undefined) problems.push({ message: `jobyard.external names ${name}, which is not installed.` });
    else externals.set(name, module);
  }
  if (problems.length > 0) throw new PackError(problems);
  const files = built.outputFiles.map((file) => {
    const path = pathInPackage(directory, file);
    const named = withPortableComments(file.text, Object.keys(built.metafile.inputs), places);
    const code = beside.size === 0 ? named : withoutMarks(path, named);
    return { path, content: Buffer.from(withPortableMap(path, code, places)) };
  });
  return {
    entryFiles: new Map([...entries.keys()].map((source) => [source, outputOf(source)])),
    files,
    externals: [...externals.values()],
    besides: [...beside.values()].flatMap((one) => one.files.filter(({ isCode }) => !isCode)),
    warnings: [
      ...built.warnings.map(asProblem),
      ...absent.warnings(),
      ...placedModuleWarnings(
        built.outputFiles.map(({ text }) => text),
        request.bundled,
      ),
    ],
  };
}

/** Bundling finds code that is started by file name. That code may name more files. */
async function buildWithBeside(
  { directory, entries }: BundleRequest,
  plugins: Plugin[],
  beside: ReadonlyMap<string, BesideFiles>,
): Promise<BuildResult<{ write: false; metafile: true }>> {
  const sources = new Map([...entries.keys()].map((source) => [source, `${ENTRY_NAMESPACE}:${source}`]));
  for (;;) {
    const built = await esbuild({
      absWorkingDir: directory,
      outdir: directory,
      entryPoints: [...sources].map(([source, given]) => ({ in: given, out: outputOf(source).replace(/\.mjs$/, "") })),
      plugins,
      splitting: true,
      outExtension: { ".js": ".mjs" },
      chunkNames: "chunks/[name]-[hash]",
      // Stacks show lines of the source. The texts themselves are not part of a package.
      sourcemap: "inline",
      sourcesContent: false,
      metafile: true,
      ...NODE_BUNDLE,
    }).catch((error: unknown) => {
      throw isBuildFailure(error) ? new PackError(error.errors.map(asProblem), { cause: error }) : error;
    });
    const named = [...beside.values()].flatMap(({ files }) => files.filter(({ isCode }) => isCode));
    const more = named.filter(({ file }) => !sources.has(file));
    if (more.length === 0) return built;
    for (const { file } of more) sources.set(file, `./${file}`);
  }
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

/** Every source file with jobs becomes an entry that exports only these jobs and the package's `setup`. */
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

/** Marks files that the package's own code names relative to itself. */
function besidePlugin(directory: string, found: Map<string, BesideFiles>): Plugin {
  return {
    name: "jobyard-beside",
    setup(build) {
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, async ({ path }) => {
        const file = relative(directory, path).replaceAll("\\", "/");
        if (file.startsWith("..") || file.includes("node_modules/")) return undefined;
        const beside = besideFiles(directory, { file, text: await readFile(path, "utf8") });
        if (beside === undefined) return undefined;
        found.set(file, beside);
        return { contents: beside.text, loader: loaderOf(file) };
      });
    },
  };
}

/** The loader that esbuild uses for this file name. */
const loaderOf = (file: string): Loader =>
  (/\.([jt]sx)$/.exec(file)?.[1] ?? (/ts$/.test(file) ? "ts" : "js")) as Loader;

/** Resolves `jobyard/job` to the runtime's own, and excludes modules that are native, absent or listed as external. */
function externalPlugin(
  { external }: BundleRequest,
  found: Map<string, InstalledModule>,
  absent: AbsentModules,
): Plugin {
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
        if (target.errors.length > 0)
          return (await absent.mayStay(args)) ? { path: args.path, external: true } : undefined;
        if (target.external || target.namespace !== "file") return undefined;
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
