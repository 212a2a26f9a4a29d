/** The test files that contain attacks. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Absolute paths. Loading only these files saves most of the time that filtering by tag would take. */
export const attackFiles = (): readonly string[] =>
  globSync("test/**/*.test.ts", { cwd: ROOT })
    .map((path) => join(ROOT, path))
    .filter((path) => readFileSync(path, "utf8").includes('"attack/'))
    .toSorted();
