/** Finds the source files of a package in which jobs may be declared. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { decodeUtf8 } from "../core/parse-json.ts";
import { PackError, type PackProblem } from "./problem.ts";

/** A source file that imports the job system. */
export interface SourceText {
  /** Relative to the package, with forward slashes. */
  readonly file: string;
  readonly text: string;
}

export const JOB_MODULE = "jobyard/job";

const SOURCE = /\.[cm]?[jt]sx?$/;
const NOT_SOURCE = /\.d\.[cm]?ts$|\.(?:test|spec)\.[cm]?[jt]sx?$/;
export const isSourceFile = (file: string): boolean => SOURCE.test(file) && !NOT_SOURCE.test(file);

/** Where the code of a source file lies in the package. */
export const outputOf = (file: string): string => file.replace(SOURCE, ".mjs");

/** Dependencies, build results and tests declare no jobs of this package. */
const SKIPPED = new Set(["node_modules", "dist", "coverage", "test", "tests", "__tests__"]);

/**
 * In the order of their names, so that the result does not depend on the disk. Throws PackError for those that are not
 * UTF-8, whose texts would change.
 */
export async function readJobSources(directory: string): Promise<SourceText[]> {
  const problems: PackProblem[] = [];
  const sources: SourceText[] = [];
  const files = await listSources(directory, "");
  const contents = await Promise.all(files.map((file) => readFile(join(directory, file))));
  for (const [index, file] of files.entries()) {
    const content = contents[index];
    // Without the zeros of UTF-16.
    if (!content?.toString("latin1").replaceAll("\0", "").includes(JOB_MODULE)) continue;
    try {
      sources.push({ file, text: decodeUtf8(content) });
    } catch (error) {
      problems.push({ message: `${file} ${messageOf(error)}.` });
    }
  }
  if (problems.length > 0) throw new PackError(problems);
  return sources;
}

async function listSources(directory: string, below: string): Promise<string[]> {
  const entries = await readdir(join(directory, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) return [];
      if (entry.isDirectory()) return listSources(directory, path);
      return entry.isFile() && isSourceFile(entry.name) ? [path] : [];
    }),
  );
  return found.flat().sort();
}
