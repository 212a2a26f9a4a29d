/** Packs every package in a folder, each in its own directory: samples, or a team's packages. */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { PackagePlatform } from "../../core/package/manifest.ts";
import { packError } from "./problem.ts";
import { packPackage, type PackResult } from "./pack.ts";

export interface PackedPackage extends PackResult {
  /** The name of the directory, with `.zip`. Jobs use it as the package's name. */
  readonly fileName: string;
}

/** Packs a package, or all packages of a folder. Throws PackError, also if there is none. */
export async function packPackages(folder: string, target: PackagePlatform): Promise<readonly PackedPackage[]> {
  if (await isPackage(folder)) {
    return [{ fileName: `${basename(folder)}.zip`, ...(await packPackage({ directory: folder, target })) }];
  }
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw packError(`${folder} is not a folder.`);
  const packed = await packFolder(folder, target);
  if (packed.length === 0) throw packError(`${folder} contains no package. A package is a folder with a package.json.`);
  return packed;
}

/** Throws PackError for two packages of one name: one would replace the other in the tenant. */
export function assertNamesDiffer(packed: readonly PackedPackage[]): void {
  const [twice] = packed.filter(({ fileName }, index) => packed.findIndex((one) => one.fileName === fileName) < index);
  if (twice !== undefined) {
    throw packError(`Two packages are called ${twice.fileName}. Rename the folder of one of them.`);
  }
}

/** Sorted by name. Ignores directories without a package.json. Throws PackError. */
export async function packFolder(directory: string, target: PackagePlatform): Promise<readonly PackedPackage[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const packed = await Promise.all(
    names.toSorted().map(async (name) => {
      const path = join(directory, name);
      if (!(await isPackage(path))) return [];
      return [{ fileName: `${name}.zip`, ...(await packPackage({ directory: path, target })) }];
    }),
  );
  return packed.flat();
}

const isPackage = (path: string): Promise<boolean> =>
  stat(join(path, "package.json")).then(
    (found) => found.isFile(),
    () => false,
  );
