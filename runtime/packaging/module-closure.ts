/**
 * Lists the modules that must be copied into a package: those its code still imports, and everything they depend on,
 * in the builds of the target platform only, laid out below `node_modules` so that Node finds them.
 */
import type { PackagePlatform } from "../core/manifest.ts";
import { type InstalledModule, findModule } from "./installed-module.ts";
import { namesThisPlatform, runsOn } from "./native-modules.ts";
import { PackError, type PackProblem } from "./problem.ts";

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
  // A database driver, say: whoever needs it has installed it.
  const optionalPeers = peers.filter((name) => json.peerDependenciesMeta[name]?.optional === true);
  const optional = new Set([...Object.keys(json.optionalDependencies), ...optionalPeers]);
  // npm lists optional dependencies under `dependencies` as well when it publishes.
  const required = [...Object.keys(json.dependencies), ...peers].filter((name) => !optional.has(name));
  return [
    ...required.map((name) => ({ name, optional: false })),
    ...[...optional].map((name) => ({ name, optional: true })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function missing(module: InstalledModule, name: string, { os, arch, libc }: PackagePlatform): string {
  const flags = [`--os=${os}`, `--cpu=${arch}`, ...(libc === undefined ? [] : [`--libc=${libc}`])].join(" ");
  return namesThisPlatform(name, { os, arch, libc })
    ? `${module.name} is not installed for the platform to pack for (${name} is missing). Run: npm install ${flags}`
    : `${module.name} needs ${name}, which is not installed. Run: npm install`;
}
