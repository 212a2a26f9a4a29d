/** Tests that need no second run: `.ci/run` runs `npm test` first, and then everything that it left out. */
import { globSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { attackFiles } from "../attack/files.ts";

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const ROOT = join(import.meta.dirname, "../..");

/**
 * The test files of which a run of `npm test` has passed every test, as paths below the project's folder. Without files
 * that do more in full breadth, or did less because a program was missing, and without hostile tests, which are counted
 * together. `report`: the file that vitest's JSON reporter wrote.
 */
export function passedFiles(report: string): string[] {
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const again = new Set([...filesInBreadth(), ...attackFiles()]);
  return testResults
    .filter(({ assertionResults }) => assertionResults.length > 0)
    .filter(({ assertionResults }) => assertionResults.every(({ status }) => status === "passed"))
    .filter(({ name }) => !again.has(name))
    .map(({ name }) => relative(ROOT, name));
}

/** Test files that import `breadth`, directly or through other files of tests. */
function filesInBreadth(): readonly string[] {
  const files = ["test", "runtime/local/bus/test", "packages-sample/test"].flatMap((folder) =>
    globSync(join(ROOT, folder, "**/*.ts")),
  );
  const imports = new Map(files.map((file) => [file, importedNames(file)]));
  const found = new Set(["breadth.ts"]);
  for (let count = 0; count !== found.size;) {
    count = found.size;
    for (const [file, names] of imports) if (names.some((name) => found.has(name))) found.add(basename(file));
  }
  return files.filter((file) => found.has(basename(file)));
}

/** By name alone: two files of one name count as one, which at most runs a test again. */
const importedNames = (file: string): readonly string[] =>
  [...readFileSync(file, "utf8").matchAll(/from "(\.[^"]+)"/g)].map(([, path = ""]) => basename(path));
