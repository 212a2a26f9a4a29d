/**
 * Warnings about dependencies that may not work in a bundle: their optional modules are not installed, or they look for
 * files beside their own code.
 */
import type { OnResolveArgs } from "esbuild";
import { type InstalledModule, findModule, moduleOfFile } from "./installed-module.ts";
import type { PackProblem } from "./problem.ts";

export interface AbsentModules {
  /** Whether an import that cannot be resolved may stay. Records it for the warnings. */
  mayStay(args: OnResolveArgs): Promise<boolean>;
  /** One warning for each dependency. */
  warnings(): readonly PackProblem[];
}

/**
 * Optional modules that are not installed, such as database drivers. Their imports stay, so that the dependency gets
 * the error that it expects.
 */
export function createAbsentModules(): AbsentModules {
  const absent = new Map<string, Set<string>>();
  return {
    async mayStay({ path, importer, kind }) {
      // A static import is not optional: without it, no code of its file would run.
      if (kind !== "require-call" && kind !== "dynamic-import" && kind !== "require-resolve") return false;
      const importing = await moduleOfFile(importer);
      const name = moduleName(path);
      // In the author's own code this is an error. So is a missing required dependency.
      if (importing === undefined || requires(importing, name)) return false;
      if ((await findModule(name, importing.root)) !== undefined) return false;
      absent.set(importing.name, (absent.get(importing.name) ?? new Set()).add(name));
      return true;
    },
    warnings: () =>
      [...absent]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, wanted]) => ({
          message:
            `${name} can use modules that are not installed: ${[...wanted].toSorted().join(", ")}. If a job needs one, list it ` +
            `under "dependencies" in package.json and run npm install.`,
        })),
  };
}

const requires = ({ json }: InstalledModule, name: string): boolean =>
  json.dependencies[name] !== undefined && json.optionalDependencies[name] === undefined;

/** "@scope/name/file" → "@scope/name". */
const moduleName = (path: string): string =>
  path
    .split("/")
    .slice(0, path.startsWith("@") ? 2 : 1)
    .join("/");

/** The line esbuild writes before each module. */
const MODULE_LINE = /^\/\/ (?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\/(.+)$/;
const OTHER_MODULE_LINE = /^\/\/ \S+\.[cm]?[jt]sx?$/;
/** `__dirname` and `__filename` as node-bundle.ts renames them. A bundle has no comments. */
const OWN_PLACE_IN_BUNDLE = /\b__jobyard(?:Dirname|Filename)\b|\bimport\.meta\.(?:url|dirname|filename)\b/;

/**
 * Warns of modules that look for files beside their own code. In a bundle their code has another path, without these
 * files. Most modules need the files for a rarely used feature, so the author decides. One warning for each module
 * except the known ones. `code`: bundled files.
 */
export function placedModuleWarnings(code: readonly string[], known: readonly string[]): readonly PackProblem[] {
  const found = new Map<string, string>();
  for (const text of code) {
    let current: readonly [name: string, file: string] | undefined;
    for (const line of text.split("\n")) {
      const [, name, file] = MODULE_LINE.exec(line) ?? [];
      if (name !== undefined && file !== undefined) current = [name, file];
      else if (OTHER_MODULE_LINE.test(line)) current = undefined;
      else if (current !== undefined && OWN_PLACE_IN_BUNDLE.test(line) && !found.has(current[0])) found.set(...current);
    }
  }
  return [...found]
    .filter(([name]) => !known.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, file]) => ({
      message:
        `${name} looks for files beside its own code (${file}), and does not find them after bundling. If a job needs ` +
        `one, add ${JSON.stringify(name)} to jobyard.external in package.json, else to jobyard.bundled.`,
    }));
}
