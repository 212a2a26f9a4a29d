/**
 * Modules that are copied into a package instead of bundled: those with machine code, those that the author lists, and
 * all their dependencies. Machine code has one build per platform, inside the module or as optional dependencies. Only
 * the build for the target platform is copied.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { PackagePlatform } from "../../core/package/manifest.ts";
import { type ExtraFile, readExtraFile } from "./contents.ts";
import { findModule, type InstalledModule, type ModuleJson } from "./installed-module.ts";
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

export interface PlacedModule {
  readonly module: InstalledModule;
  /** Directory in the package. */
  readonly path: string;
}

/**
 * The modules to copy: `roots` and all their dependencies, placed below `node_modules` so that Node finds them. Throws
 * PackError if a dependency, or its build for the target, is not installed.
 */
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

/** Types, source maps and source code of native modules: needed to build a module, not to run it. */
const NOT_NEEDED = /\.(?:d\.[cm]?ts|map|cc|cpp|h|hpp|gyp|gypi)$/;

/** The files that a copied module needs to run on the target platform. */
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
