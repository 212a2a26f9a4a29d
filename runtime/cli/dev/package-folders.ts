/** The folders of packages that a user names, each with the package's own name. */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { UsageError } from "../exit-codes.ts";

export interface PackageFolder {
  readonly directory: string;
  /** The package's name, from its package.json. */
  readonly name: string;
}

/** Each folder, or the packages in it. Throws UsageError, which says what is missing. */
export async function packageFolders(given: readonly string[]): Promise<readonly PackageFolder[]> {
  // Loaded here, because it takes longer than other commands run.
  const { readPackageJson } = await import("../../package/build/package-json.ts");
  const directories = new Set((await Promise.all(given.map(foldersIn))).flat());
  const found: PackageFolder[] = [];
  for (const directory of directories) {
    const { name } = await readPackageJson(directory).catch((error: unknown) => {
      // It names the file, and not which of several.
      throw new UsageError(`In ${directory}: ${messageOf(error)}`, { cause: error });
    });
    found.push({ directory, name });
  }
  for (const { name, directory } of found) {
    const twin = found.find((other) => other.name === name && other.directory !== directory);
    if (twin !== undefined) {
      throw new UsageError(
        `${directory} and ${twin.directory} are both called ${name}. Rename one of them in its package.json.`,
      );
    }
  }
  return found;
}

/** A folder without a package.json can be one of packages. If it is not, reading its package.json fails. */
async function foldersIn(given: string): Promise<readonly string[]> {
  const folder = resolve(given);
  if (!(await isThere(folder, "isDirectory")))
    throw new UsageError(`${given} is not a folder. Create a package with: jobyard init ${given}`);
  if (await hasPackageJson(folder)) return [folder];
  const inside = (await readdir(folder, { withFileTypes: true })).filter((one) => one.isDirectory());
  const folders = inside.map(({ name }) => join(folder, name)).sort();
  const isPackage = await Promise.all(folders.map(hasPackageJson));
  const packages = folders.filter((_, index) => isPackage[index]);
  return packages.length === 0 ? [folder] : packages;
}

const hasPackageJson = (directory: string): Promise<boolean> => isThere(join(directory, "package.json"), "isFile");

async function isThere(path: string, as: "isFile" | "isDirectory"): Promise<boolean> {
  try {
    return (await stat(path))[as]();
  } catch {
    return false;
  }
}
