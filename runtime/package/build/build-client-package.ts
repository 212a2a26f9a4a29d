/** Builds the client for publishing: one JavaScript file for Node and browsers, its types, and a package.json. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import ts from "typescript";

export interface ClientPackage {
  readonly directory: string;
  /** Size of the minified JavaScript, as a page loads it. */
  readonly minifiedBytes: number;
  /** Modules of this repository in the bundle. */
  readonly modules: readonly string[];
}

const ROOT = join(import.meta.dirname, "../../..");
const ENTRY = join(ROOT, "runtime/client/index.ts");

export interface ClientPackageOptions {
  /** Name for publishing, in your own scope. Default: this repository's placeholder, which npm refuses to publish. */
  readonly name?: string | undefined;
}

/** Must have a scope, because anyone can own a name without one. Must not be the placeholder. */
const PUBLISHABLE_NAME = /^@(?!your-scope\/)[a-z0-9][a-z0-9._-]*\/[a-z0-9][a-z0-9._-]*$/;

export class PackageNameError extends Error {
  override readonly name = "PackageNameError";
}

/** Throws PackageNameError, and an error if the client needs something that browsers lack. */
export async function buildClientPackage(
  directory: string,
  { name }: ClientPackageOptions = {},
): Promise<ClientPackage> {
  if (name !== undefined && !PUBLISHABLE_NAME.test(name)) {
    throw new PackageNameError(`${name} must be a name in your own scope, such as @acme/jobyard.`);
  }
  await mkdir(directory, { recursive: true });
  const options = {
    entryPoints: [ENTRY],
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm" as const,
    platform: "browser" as const,
    target: "es2024",
    logLevel: "silent" as const,
  };
  const [{ metafile }, minified] = await Promise.all([
    build({ ...options, metafile: true as const, outfile: join(directory, "client.js") }),
    build({ ...options, minify: true, write: false as const }),
  ]);
  writeTypes(join(directory, "types"));
  await writeFile(join(directory, "package.json"), JSON.stringify(await describe(name), null, 2));
  return {
    directory,
    minifiedBytes: minified.outputFiles.reduce((sum, { contents }) => sum + contents.byteLength, 0),
    modules: Object.keys(metafile.inputs),
  };
}

function writeTypes(outDir: string): void {
  const file = ts.readConfigFile(join(ROOT, "tsconfig.json"), (path) => ts.sys.readFile(path));
  const {
    options: { tsBuildInfoFile: _cache, ...options },
  } = ts.parseJsonConfigFileContent({ ...(file.config as object), files: [ENTRY], include: [] }, ts.sys, ROOT);
  const program = ts.createProgram([ENTRY], {
    ...options,
    noEmit: false,
    incremental: false,
    declaration: true,
    emitDeclarationOnly: true,
    rewriteRelativeImportExtensions: true,
    rootDir: join(ROOT, "runtime"),
    outDir,
  });
  const { diagnostics } = program.emit();
  if (diagnostics.length > 0) throw new Error(ts.formatDiagnostics(diagnostics, ts.createCompilerHost({})));
}

async function describe(published: string | undefined): Promise<object> {
  const text = await readFile(join(ROOT, "package.json"), "utf8");
  const { name, version, description, license, dependencies } = JSON.parse(text) as {
    readonly [field: string]: string;
  } & { readonly dependencies: Readonly<Record<string, string>> };
  return {
    ...{ name: published ?? name, version, description, license },
    // Published to the registry of that scope, and visible only to its members by default.
    ...(published === undefined ? { private: true } : { publishConfig: { access: "restricted" } }),
    type: "module",
    sideEffects: false,
    exports: { "./client": { types: "./types/client/index.d.ts", default: "./client.js" } },
    // Only the types depend on its schemas. The code does not need it.
    dependencies: { zod: dependencies["zod"] },
  };
}
