/** Files that go into a package as they are: data, programs, copied modules. Their executable bit is kept. */
import { lstat, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { PackProblem } from "./problem.ts";

export interface ExtraFile {
  /** In the package. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

/** What desktop systems leave in directories. */
const LITTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** The files named by `jobyard.files`; directories with everything below. Adds to `problems` what cannot be packed. */
export async function readExtraFiles(
  directory: string,
  paths: readonly string[],
  problems: PackProblem[],
): Promise<ExtraFile[]> {
  const found = await Promise.all(paths.map((path) => readBelow(directory, path, problems)));
  return found.flat();
}

async function readBelow(directory: string, path: string, problems: PackProblem[]): Promise<ExtraFile[]> {
  const source = join(directory, path);
  const stats = await lstat(source).catch(() => undefined);
  if (stats?.isFile() === true) return [await readExtraFile(source, path)];
  if (stats?.isDirectory() === true) {
    const names = (await readdir(source)).filter((name) => !LITTER.has(name)).sort();
    const found = await Promise.all(names.map((name) => readBelow(directory, `${path}/${name}`, problems)));
    return found.flat();
  }
  problems.push({
    message:
      stats === undefined
        ? `package.json: jobyard.files names ${path}, which does not exist.`
        : `${path} is neither a plain file nor a directory; a package cannot hold links.`,
  });
  return [];
}

export async function readExtraFile(source: string, path: string): Promise<ExtraFile> {
  const [content, stats] = await Promise.all([readFile(source), lstat(source)]);
  // Windows keeps no such bit; there a script tells by its first two characters.
  const script = process.platform === "win32" && content[0] === 0x23 && content[1] === 0x21;
  return { path, content, executable: (stats.mode & 0o111) !== 0 || script };
}
