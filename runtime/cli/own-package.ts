/** The package that this command line belongs to: a clone of the repository, or the built package in `node_modules`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Folder of its package.json. */
export const OWN_FOLDER = join(import.meta.dirname, "../..");

/** Whether it runs from source. */
export const IS_CLONE = import.meta.filename.endsWith(".ts");

export interface OwnPackage {
  readonly name: string;
  readonly version: string;
  /** The version of a module that it was developed with. */
  versionOf(name: string): string;
}

export function ownPackage(): OwnPackage {
  const { name, version, dependencies, devDependencies } = JSON.parse(
    readFileSync(join(OWN_FOLDER, "package.json"), "utf8"),
  ) as Pick<OwnPackage, "name" | "version"> & Record<"dependencies" | "devDependencies", Record<string, string>>;
  return {
    name,
    version,
    versionOf(module) {
      const found = dependencies[module] ?? devDependencies[module];
      if (found === undefined) throw new Error(`package.json does not name ${module}.`);
      return found;
    },
  };
}
