/**
 * The files of a package. Reads those that are packed unchanged, and makes the final checks: names that every system
 * can unpack, limits, missing programs.
 */
import { lstat, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { PACKAGE_MAX_ENTRIES, PACKAGE_MAX_FILE_BYTES, PACKAGE_MAX_UNPACKED_BYTES } from "../../core/limits.ts";
import type { Manifest, PackagePlatform } from "../../core/package/manifest.ts";
import { packagePathKey, packagePathProblem } from "../../core/package/package-path.ts";
import {
  PROGRAM_HEAD_BYTES,
  binaryPlatform,
  missingFile,
  packagedProgram,
  programProblem,
} from "../../core/package/program-file.ts";
import { PackError, type PackProblem } from "./problem.ts";

/** A file that is packed unchanged: data, a program, part of a copied module. Its executable bit is kept. */
export interface ExtraFile {
  /** Path in the package. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

/** Files that desktop systems create in directories. */
const LITTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** The files in `jobyard.files`; directories with their content. Adds problems for files that cannot be packed. */
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
  // Windows has no such bit. There a script is recognised by its first two characters.
  const script = process.platform === "win32" && content[0] === 0x23 && content[1] === 0x21;
  return { path, content, executable: (stats.mode & 0o111) !== 0 || script };
}

/** The platform of a package's native modules; "any" if it has none. */
export function platformOf(
  files: readonly ExtraFile[],
  target: PackagePlatform,
  warnings: PackProblem[],
): PackagePlatform | "any" {
  const problems: PackProblem[] = [];
  let bound = false;
  for (const { path, content } of files) {
    const platform = binaryPlatform(content);
    if (platform === undefined) continue;
    bound = true;
    if (platform.os === target.os && platform.arch === target.arch) continue;
    const message = `${path} was built for ${platform.os}-${platform.arch}, but the package is for ${target.os}-${target.arch}.`;
    // A module compiled here cannot run elsewhere. Programs for several systems can coexist.
    (path.endsWith(".node") ? problems : warnings).push({ message });
  }
  if (problems.length > 0) throw new PackError(problems);
  return bound ? target : "any";
}

/** The files to write. Throws PackError. */
export function checkContents(files: readonly ExtraFile[], manifest: Manifest): ExtraFile[] {
  const problems = [...nameProblems(files), ...sizeProblems(files)];
  const byPath = new Map(files.map((file) => [file.path, file]));
  const programs = programsOf(manifest, (path) => byPath.has(path));
  for (const program of programs) {
    const problem = problemOf(program, byPath, manifest.platform);
    if (problem !== undefined)
      problems.push({ message: `package.json: jobyard.jobs runs ${program}, which ${problem}.` });
  }
  if (problems.length > 0) throw new PackError(problems);
  return files.map((file) => (programs.has(file.path) ? { ...file, executable: true } : file));
}

/** The files that jobs start as programs. */
const programsOf = ({ jobs }: Manifest, isInPackage: (path: string) => boolean): ReadonlySet<string> =>
  new Set(
    jobs
      .map(({ entry }) => (entry.kind === "command" ? packagedProgram(entry, isInPackage) : undefined))
      .filter((path) => path !== undefined),
  );

function problemOf(
  program: string,
  files: ReadonlyMap<string, ExtraFile>,
  platform: Manifest["platform"],
): string | undefined {
  const file = files.get(program);
  if (file !== undefined) return programProblem(file.content.subarray(0, PROGRAM_HEAD_BYTES), platform);
  const problem = missingFile(program, files.keys());
  return problem === "is a directory" ? problem : `${problem}; list it under jobyard.files`;
}

function nameProblems(files: readonly ExtraFile[]): PackProblem[] {
  const problems: PackProblem[] = [];
  const seen = new Map<string, string>();
  for (const { path } of files) {
    const problem = packagePathProblem(path);
    if (problem !== undefined) problems.push({ message: `The name ${JSON.stringify(path)} ${problem}.` });
    const earlier = seen.get(packagePathKey(path));
    seen.set(packagePathKey(path), path);
    if (earlier === path) problems.push({ message: `${path} would be in the package twice.` });
    else if (earlier !== undefined) {
      problems.push({ message: `${earlier} and ${path} are the same file on some systems; rename one.` });
    }
  }
  return problems;
}

function sizeProblems(files: readonly ExtraFile[]): PackProblem[] {
  const problems: PackProblem[] = [];
  const total = files.reduce((sum, { content }) => sum + content.length, 0);
  for (const { path, content } of files) {
    if (content.length <= PACKAGE_MAX_FILE_BYTES) continue;
    problems.push({ message: `${path} has ${content.length} bytes; at most ${PACKAGE_MAX_FILE_BYTES} are allowed.` });
  }
  if (total > PACKAGE_MAX_UNPACKED_BYTES) {
    problems.push({ message: `The files have ${total} bytes; at most ${PACKAGE_MAX_UNPACKED_BYTES} are allowed.` });
  }
  if (files.length > PACKAGE_MAX_ENTRIES) {
    problems.push({ message: `There are ${files.length} files; at most ${PACKAGE_MAX_ENTRIES} are allowed.` });
  }
  return problems;
}
