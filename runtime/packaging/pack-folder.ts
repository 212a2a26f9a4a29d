/** Packs every package of a folder, each a directory of its own: samples, or a team's own packages. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PackagePlatform } from "../core/manifest.ts";
import { packPackage, type PackResult } from "./pack.ts";

export interface PackedPackage extends PackResult {
  /** The name of the directory, with `.zip`: what jobs call the package. */
  readonly fileName: string;
}

/** In the order of their names. Directories without a package.json are passed over. Throws PackError. */
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
