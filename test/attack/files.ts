/** The test files that hold attacks. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Absolute paths. Loading only these saves most of the time that the tag's filter would take. */
export const attackFiles = (): readonly string[] =>
  globSync("test/**/*.test.ts", { cwd: ROOT })
    .map((path) => join(ROOT, path))
    .filter((path) => readFileSync(path, "utf8").includes('"attack/'))
    .toSorted();
