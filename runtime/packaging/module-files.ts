/** Which files of a copied module go into the package: what it needs to run on the target platform. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { PackagePlatform } from "../core/manifest.ts";
import { type ExtraFile, readExtraFile } from "./extra-files.ts";
import type { PlacedModule } from "./module-closure.ts";

/** Types, source maps and source code of native modules: needed to build with a module, not to run it. */
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

/** Directories below `prebuilds` are named {os}-{arch}, several processors joined by "+". */
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
