/**
 * Builds the npm package `jobyard` for people without a clone: the command line, the modules for jobs, clients and tests, and
 * the programs of the local system. What can be bundled is. The packer, TypeScript and esbuild, is a dependency.
 */
import { copyFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { RELEASES } from "../../core/deployment/storage-layout.ts";
import { hasWebSource, keepWebBuilt } from "../../../web/build/build-web.ts";
import { NODE_BUNDLE } from "./node-bundle.ts";
import { writeDeclarations } from "./write-declarations.ts";

export interface ClientBundle {
  /** Size of the minified JavaScript, as a page loads it. */
  readonly minifiedBytes: number;
  /** Modules of this repository in the bundle. */
  readonly modules: readonly string[];
}

export interface JobyardPackageOptions {
  /** Name for publishing, in your own scope. Default: that of this repository. */
  readonly name?: string | undefined;
}

export interface JobyardPackage {
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  readonly client: ClientBundle;
}

const ROOT = join(import.meta.dirname, "../../..");
/** Code for Node. All of it lies in one folder, so that a module finds others beside it, whichever chunk it is in. */
const LIB = "lib/node";
const ENTRIES = {
  client: "runtime/client/index.ts",
  job: "runtime/job-sdk/index.ts",
  testing: "runtime/testing/index.ts",
} as const;

/** Must have a scope, because anyone can own a name without one. Must not be the placeholder. */
const PUBLISHABLE_NAME = /^@(?!your-scope\/)[a-z0-9][a-z0-9._-]*\/[a-z0-9][a-z0-9._-]*$/;
const isPublishable = (name: string): boolean => PUBLISHABLE_NAME.test(name);

export class PackageNameError extends Error {
  override readonly name = "PackageNameError";
}

/**
 * Replaces the directory. The same source gives the same files. Throws PackageNameError, and an error if the client needs
 * something that browsers lack.
 */
export async function buildJobyardPackage(
  directory: string,
  { name: given }: JobyardPackageOptions = {},
): Promise<JobyardPackage> {
  if (given !== undefined && !isPublishable(given)) {
    throw new PackageNameError(`${given} must be a name in your own scope, such as @acme/jobyard.`);
  }
  const description = await describe(given);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const [client] = await Promise.all([
    buildClient(join(directory, "lib/client.js")),
    buildJobModule(join(directory, LIB, "job.mjs")),
    buildPrograms(join(directory, LIB)),
    // Beside the programs, where the API looks for them. A fork can delete the dashboard.
    hasWebSource() && copyWeb(join(directory, LIB, RELEASES.webFolder)),
    ...["LICENSE"].map((file) => copyFile(join(ROOT, file), join(directory, file))),
    writeFile(join(directory, "README.md"), readmeOf(description.name)),
    writeFile(join(directory, "package.json"), `${JSON.stringify(description, null, 2)}\n`),
  ]);
  await writeDeclarations(ROOT, Object.values(ENTRIES), join(directory, "types"));
  return { directory, name: description.name, version: description.version, client };
}

const copyWeb = async (directory: string): Promise<void> => cp(await keepWebBuilt(), directory, { recursive: true });

/** The client as one file for Node and browsers. */
export async function buildClient(outfile: string): Promise<ClientBundle> {
  const options = {
    entryPoints: [ENTRIES.client],
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm" as const,
    platform: "browser" as const,
    target: "es2024",
    logLevel: "silent" as const,
  };
  const [{ metafile }, minified] = await Promise.all([
    build({ ...options, metafile: true as const, outfile }),
    build({ ...options, minify: true, write: false as const }),
  ]);
  return {
    minifiedBytes: minified.outputFiles.reduce((sum, { contents }) => sum + contents.byteLength, 0),
    modules: Object.keys(metafile.inputs),
  };
}

/** Packing bundles it into the packages of authors, so it has no shims and shares no chunk. */
const buildJobModule = (outfile: string) =>
  build({
    entryPoints: [ENTRIES.job],
    absWorkingDir: ROOT,
    outfile,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    logLevel: "silent",
  });

/** What a package manager installs beside the package. */
const INSTALLED = ["esbuild", "typescript", "rhea-emulator", "azurite"];
/** Optional for the library that imports it, or needed only where there is a source to build. */
const LEFT_OUT = ["dtrace-provider", "vite"];

async function buildPrograms(outdir: string): Promise<void> {
  const options = {
    ...NODE_BUNDLE,
    absWorkingDir: ROOT,
    // The oldest that the command line accepts.
    target: "node22",
    write: true,
    minify: true,
    legalComments: "eof",
    external: [...INSTALLED, ...LEFT_OUT],
  } satisfies BuildOptions;
  const { banner: _shims, define: _names, ...common } = options;
  await Promise.all([
    build({
      ...options,
      entryPoints: {
        jobyard: "runtime/cli/jobyard.mjs",
        start: "runtime/main/start.mjs",
        testing: ENTRIES.testing,
        "type-checker": "runtime/cli/dev/type-checker.ts",
      },
      outdir,
      splitting: true,
      outExtension: { ".js": ".mjs" },
      chunkNames: "[name]-[hash]",
    }),
    build({
      ...common,
      entryPoints: { host: "runtime/worker/process/host/main.ts" },
      format: "cjs",
      outdir,
      outExtension: { ".js": ".cjs" },
    }),
  ]);
}

interface SourceDescription {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const readDescription = async (folder: string): Promise<SourceDescription> =>
  JSON.parse(await readFile(join(ROOT, folder, "package.json"), "utf8")) as SourceDescription;

async function describe(given: string | undefined) {
  const [root, bus] = await Promise.all([readDescription("."), readDescription("runtime/local/bus")]);
  const name = given ?? root.name;
  const { version, description, license } = root;
  return {
    ...{ name, version, description, license },
    // Published to the registry of that scope, and visible only to its members by default.
    ...(isPublishable(name) ? { publishConfig: { access: "restricted" } } : { private: true }),
    type: "module",
    sideEffects: false,
    engines: { node: ">=22.18" },
    bin: { jobyard: `./${LIB}/jobyard.mjs` },
    exports: {
      "./client": { types: "./types/client/index.d.ts", default: "./lib/client.js" },
      "./job": { types: "./types/job-sdk/index.d.ts", default: `./${LIB}/job.mjs` },
      "./testing": { types: "./types/testing/index.d.ts", default: `./${LIB}/testing.mjs` },
    },
    // The types of the client depend on zod's; the code of the client does not.
    dependencies: picked({ ...root.dependencies, ...bus.dependencies }, [
      "esbuild",
      "rhea-emulator",
      "typescript",
      "zod",
    ]),
    // The storage of the local system, and many modules with it. Its version is pinned, because it is started by its internals.
    peerDependencies: picked(root.dependencies, ["azurite"]),
    peerDependenciesMeta: { azurite: { optional: true } },
    // Not installed with the package: the versions that `jobyard init` writes.
    devDependencies: picked(root.devDependencies, ["@types/node", "vitest"]),
  };
}

function picked(versions: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, versions[name] ?? missing(name)]));
}

function missing(name: string): never {
  throw new Error(`No package.json of this repository names ${name}.`);
}

const readmeOf = (name: string): string => `# ${name}

Background jobs on Azure. Install it under the name \`jobyard\`, which its modules and its command have:

\`\`\`sh
npm install --save-dev jobyard@npm:${name}
npx --no jobyard init my-package
\`\`\`

- \`jobyard/job\` declares jobs and timers.
- \`jobyard/client\` submits jobs and follows them, in Node and in browsers.
- \`jobyard/testing\` runs a job in a test, or the whole local system. The system needs \`azurite\` beside this package.
- \`jobyard\` makes, runs, packs and publishes packages.
`;
