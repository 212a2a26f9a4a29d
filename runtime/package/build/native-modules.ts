/**
 * Detects modules with machine code. They cannot be bundled, and have one build for each platform: inside the module, or
 * as optional dependencies of which npm installs the matching ones.
 */
import { readFile, readdir, realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { z } from "zod";
import type { PackagePlatform } from "../../core/package/manifest.ts";
import { type ExtraFile, readExtraFile } from "./contents.ts";
import { PackError, type PackProblem } from "./problem.ts";

/** Whether a module must be copied instead of bundled. Caches its results. */
export function createNativeCheck(): (module: InstalledModule) => Promise<boolean> {
  const answers = new Map<string, Promise<boolean>>();
  return (module) => {
    const known = answers.get(module.root) ?? isNative(module);
    answers.set(module.root, known);
    return known;
  };
}

const isNative = async (module: InstalledModule): Promise<boolean> =>
  Object.keys(module.json.optionalDependencies).some(namesPlatform) || containsMachineCode(module.root);

async function containsMachineCode(directory: string): Promise<boolean> {
  const entries = await readdir(directory, { withFileTypes: true });
  for (const entry of entries) {
    if (entry.isFile() && (entry.name.endsWith(".node") || entry.name === "binding.gyp")) return true;
    if (entry.isDirectory() && entry.name !== "node_modules") {
      if (await containsMachineCode(join(directory, entry.name))) return true;
    }
  }
  return false;
}

const SYSTEMS = ["linux", "linuxmusl", "darwin", "win32", "freebsd", "android"];
const PROCESSORS = ["x64", "arm64", "arm", "ia32", "riscv64", "ppc64", "s390x", "loong64"];

/** "sharp-linuxmusl-x64" → sharp, linuxmusl, x64. */
const wordsOf = (name: string): string[] => name.split(/[^a-z0-9]+/);

/** Whether a dependency's name contains a platform, as in all modules with a build for each platform. */
function namesPlatform(name: string): boolean {
  const words = wordsOf(name);
  return words.some((word) => SYSTEMS.includes(word)) && words.some((word) => PROCESSORS.includes(word));
}

/** Whether a dependency's name matches this platform. */
function namesThisPlatform(name: string, { os, arch, libc }: PackagePlatform): boolean {
  const words = wordsOf(name);
  if (!words.includes(arch)) return false;
  if (os !== "linux") return words.includes(os);
  const musl = words.includes("linuxmusl") || words.includes("musl");
  return (musl || words.includes("linux")) && musl === (libc === "musl");
}

/** The platforms in a module's package.json: a list of names, or of excluded names ("!win32"). */
function runsOn({ os, cpu, libc }: ModuleJson, platform: PackagePlatform): boolean {
  return allows(os, platform.os) && allows(cpu, platform.arch) && allows(libc, platform.libc);
}

function allows(list: readonly string[] | undefined, value: string | undefined): boolean {
  if (list === undefined || list.length === 0 || value === undefined) return true;
  if (list.includes(`!${value}`)) return false;
  const wanted = list.filter((name) => !name.startsWith("!"));
  return wanted.length === 0 || wanted.includes(value);
}

// Modules installed below `node_modules`: their location and their package.json.

export interface InstalledModule {
  readonly name: string;
  /** The directory of its package.json, with links resolved. */
  readonly root: string;
  readonly json: ModuleJson;
}

const names = z.record(z.string(), z.string()).catch({});
const platforms = z
  .union([z.array(z.string()), z.string().transform((one) => [one])])
  .optional()
  .catch(undefined);

/** The fields used here. Malformed ones count as absent, because npm installed the module anyway. */
const moduleJson = z.object({
  name: z.string(),
  version: z.string().catch(""),
  dependencies: names,
  optionalDependencies: names,
  peerDependencies: names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).catch({}),
  os: platforms,
  cpu: platforms,
  libc: platforms,
});

export type ModuleJson = z.infer<typeof moduleJson>;

/** The module of a file; undefined for files outside `node_modules` and for links to source (workspaces). */
export async function moduleOfFile(file: string): Promise<InstalledModule | undefined> {
  const marker = `${sep}node_modules${sep}`;
  const path = await realpath(file).catch(() => file);
  const start = path.lastIndexOf(marker);
  if (start === -1) return undefined;
  const [first = "", second = ""] = path.slice(start + marker.length).split(sep);
  const name = first.startsWith("@") ? join(first, second) : first;
  return readModule(join(path.slice(0, start + marker.length), name));
}

/** Resolves `name` from `from` as Node does: up through the `node_modules` directories. */
export async function findModule(name: string, from: string): Promise<InstalledModule | undefined> {
  for (let directory = from; ; directory = dirname(directory)) {
    const found = await readModule(join(directory, "node_modules", name));
    if (found !== undefined) return found;
    if (dirname(directory) === directory) return undefined;
  }
}

async function readModule(path: string): Promise<InstalledModule | undefined> {
  try {
    const root = await realpath(path);
    // npm accepts a byte order mark in package.json.
    const text = (await readFile(join(root, "package.json"), "utf8")).replace(/^\ufeff/, "");
    const json = moduleJson.parse(JSON.parse(text));
    return { name: json.name, root, json };
  } catch {
    return undefined;
  }
}

// Lists the modules to copy into a package: those that its code still imports, and all their dependencies, only in the
// builds of the target platform, laid out below `node_modules` so that Node finds them.

export interface PlacedModule {
  readonly module: InstalledModule;
  /** Directory in the package. */
  readonly path: string;
}

/** Throws PackError when a dependency, or its build for the target, is not installed. */
export async function closureOf(roots: readonly InstalledModule[], target: PackagePlatform): Promise<PlacedModule[]> {
  const placed = new Map<string, PlacedModule>();
  const problems: PackProblem[] = [];
  const waiting: PlacedModule[] = [];

  function place(module: InstalledModule, requiredBy?: PlacedModule): void {
    const top = `node_modules/${module.name}`;
    const nested = requiredBy === undefined ? top : `${requiredBy.path}/${top}`;
    const visible = placed.get(nested) ?? placed.get(top);
    if (visible?.module.root === module.root) return;
    const entry = { module, path: placed.has(top) ? nested : top };
    placed.set(entry.path, entry);
    waiting.push(entry);
  }

  for (const root of roots.toSorted((a, b) => (a.name < b.name ? -1 : 1))) place(root);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    for (const { name, optional } of dependenciesOf(next.module)) {
      const dependency = await findModule(name, next.module.root);
      if (dependency !== undefined && runsOn(dependency.json, target)) place(dependency, next);
      else if (!optional || namesThisPlatform(name, target))
        problems.push({ message: missing(next.module, name, target) });
    }
  }
  if (problems.length > 0) throw new PackError(problems);
  return [...placed.values()];
}

function dependenciesOf({ json }: InstalledModule): { name: string; optional: boolean }[] {
  const peers = Object.keys(json.peerDependencies);
  // Optional, such as a database driver. It is installed if a job needs it.
  const optionalPeers = peers.filter((name) => json.peerDependenciesMeta[name]?.optional === true);
  const optional = new Set([...Object.keys(json.optionalDependencies), ...optionalPeers]);
  // When publishing, npm lists optional dependencies under `dependencies` too.
  const required = [...Object.keys(json.dependencies), ...peers].filter((name) => !optional.has(name));
  return [
    ...required.map((name) => ({ name, optional: false })),
    ...[...optional].map((name) => ({ name, optional: true })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function missing(module: InstalledModule, name: string, { os, arch, libc }: PackagePlatform): string {
  const flags = [`--os=${os}`, `--cpu=${arch}`, ...(libc === undefined ? [] : [`--libc=${libc}`])].join(" ");
  return namesThisPlatform(name, { os, arch, libc })
    ? `${module.name} is not installed for the target platform (${name} is missing). Run: npm install ${flags}`
    : `${module.name} needs ${name}, which is not installed. Run: npm install`;
}

// Selects the files of a copied module that it needs to run on the target platform.

/** Types, source maps and source code of native modules: needed to build a module, not to run it. */
const NOT_NEEDED = /\.(?:d\.[cm]?ts|map|cc|cpp|h|hpp|gyp|gypi)$/;

export async function readModuleFiles({ module, path }: PlacedModule, target: PackagePlatform): Promise<ExtraFile[]> {
  const files = await listFiles(module.root, "", target);
  return Promise.all(files.map((file) => readExtraFile(join(module.root, file), `${path}/${file}`)));
}

async function listFiles(root: string, below: string, target: PackagePlatform): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isFile()) return NOT_NEEDED.test(entry.name) ? [] : [path];
      if (!entry.isDirectory() || entry.name === "node_modules") return [];
      return below.endsWith("prebuilds") && !isPrebuildFor(entry.name, target) ? [] : listFiles(root, path, target);
    }),
  );
  return found.flat().sort();
}

/** Directories below `prebuilds` are named {os}-{arch}; several processors are joined by "+". */
function isPrebuildFor(name: string, { os, arch }: PackagePlatform): boolean {
  const separator = name.indexOf("-");
  return (
    name.slice(0, separator) === os &&
    name
      .slice(separator + 1)
      .split("+")
      .includes(arch)
  );
}
