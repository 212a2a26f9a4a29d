/**
 * Modules that a dependency asks for and that are not installed, because they are a matter of choice: database drivers,
 * accelerators. They stay imports, so that the dependency meets the error it expects, and the author is told.
 */
import type { OnResolveArgs } from "esbuild";
import { findModule, type InstalledModule, moduleOfFile } from "./installed-module.ts";
import type { PackProblem } from "./problem.ts";

export interface AbsentModules {
  /** Whether an import that leads nowhere may stay one. Remembers it for the warnings. */
  mayStay(args: OnResolveArgs): Promise<boolean>;
  /** One for each dependency. */
  warnings(): readonly PackProblem[];
}

export function createAbsentModules(): AbsentModules {
  const absent = new Map<string, Set<string>>();
  return {
    async mayStay({ path, importer, kind }) {
      // A static import is not optional: nothing of its file would run.
      if (kind !== "require-call" && kind !== "dynamic-import" && kind !== "require-resolve") return false;
      const asking = await moduleOfFile(importer);
      const name = moduleName(path);
      // In the author's own code it is a mistake, and so is an installation without what it must have.
      if (asking === undefined || requires(asking, name)) return false;
      if ((await findModule(name, asking.root)) !== undefined) return false;
      absent.set(asking.name, (absent.get(asking.name) ?? new Set()).add(name));
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
