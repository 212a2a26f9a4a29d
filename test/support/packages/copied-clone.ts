/** A clone to work in: a copy of what its command line needs, beside this clone's modules. */
import { cp, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../docs/document-tables.ts";

const COPIED = ["package.json", "tsconfig.json", "vitest.config.ts", "runtime", "packages", "test/attack/families.ts"];

/** The folder exists. Afterwards `npx --no jobyard` in it runs the copy, which takes the folder for its clone. */
export async function copyClone(folder: string): Promise<void> {
  for (const path of COPIED) {
    await cp(join(ROOT, path), join(folder, path), {
      recursive: true,
      filter: (source) => !source.includes("node_modules"),
    });
  }
  const modules = join(folder, "node_modules");
  await mkdir(join(modules, ".bin"), { recursive: true });
  const link = async (below: string): Promise<void> => {
    for (const name of await readdir(join(ROOT, "node_modules", below)))
      if (name !== ".bin" && name !== ".cache")
        await symlink(join(ROOT, "node_modules", below, name), join(modules, below, name));
  };
  await link("");
  await link(".bin");
  await rm(join(modules, "jobyard"));
  await symlink(folder, join(modules, "jobyard"));
  await rm(join(modules, ".bin/jobyard"));
  await symlink(join(folder, "runtime/cli/jobyard.mjs"), join(modules, ".bin/jobyard"));
}
