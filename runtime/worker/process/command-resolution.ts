/** Finds the program of a command entry, and says in words what keeps it from being started. */
import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { CommandEntry } from "../../core/manifest.ts";
import { PackageError } from "../../core/errors.ts";
import { PROGRAM_HEAD_BYTES, programProblem, readInterpreter } from "../../core/program-file.ts";
import { findProgram, isExecutable, type ProcessExit } from "./launch.ts";
import type { JobProcessSpec } from "./spec.ts";

/**
 * An absolute path: a file of the package if `command` contains a slash or names one, else the first such program on
 * the search path. Throws PackageError "EntryPointInvalid".
 */
export async function resolveCommand(command: string, packagePath: string, searchPath: string): Promise<string> {
  const inside = resolve(packagePath, command);
  const found = await stat(inside).catch(() => undefined);
  if (!command.includes("/") && found?.isFile() !== true) {
    const program = findProgram(command, searchPath);
    if (program === undefined) throw invalid(`This worker has no program "${command}", and the package no such file.`);
    return program;
  }
  if (found?.isDirectory() === true) throw invalid(`"${command}" is a directory.`);
  if (found?.isFile() !== true) throw invalid(`The package has no file "${command}".`);
  if (!isExecutable(inside))
    throw invalid(
      `"${command}" is not executable. Make the package with jobyard pack, or set the bit (chmod +x) before you zip it.`,
    );
  await checkProgram(inside, command, searchPath);
  return inside;
}

/** The kernel would report a missing interpreter as if the script itself were missing. */
async function checkProgram(file: string, command: string, searchPath: string): Promise<void> {
  const head = await readHead(file);
  const problem = programProblem(head, { os: process.platform, arch: process.arch });
  if (problem !== undefined) throw invalid(`"${command}" ${problem}.`);
  const { path, byName } = readInterpreter(head) ?? {};
  if (path !== undefined && !isExecutable(path))
    throw invalid(`"${command}" needs ${path}, which this worker does not have.`);
  if (byName !== undefined && !byName.includes("/") && findProgram(byName, searchPath) === undefined) {
    throw invalid(`"${command}" needs ${byName}, which this worker does not have.`);
  }
}

async function readHead(path: string): Promise<Uint8Array> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(PROGRAM_HEAD_BYTES), 0, PROGRAM_HEAD_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

/**
 * What an exit says of a program that was never started; undefined: it was. The programs in front of it (see launch.ts)
 * then end with 126 or 127, and what they print is all there is.
 */
export function neverStarted(command: string, { code }: ProcessExit, printed: readonly string[]): string | undefined {
  if ((code !== 126 && code !== 127) || printed.length !== 1) return undefined;
  const reason = /^(?:setpriv|prlimit): .*: (?<reason>[^:]+)$/.exec(printed[0] ?? "")?.groups?.["reason"];
  if (reason === undefined) return undefined;
  return `"${command}" cannot be started on this worker: ${reason}. Its interpreter, or a loader it was built for, may be missing.`;
}

/** Arguments with the paths of this attempt in place of their names. */
export function fillArguments(
  { args = [] }: CommandEntry,
  { packagePath, workspace }: Pick<JobProcessSpec, "packagePath" | "workspace">,
): readonly string[] {
  const { workingPath, outputPath, parametersFile, resultFile } = workspace;
  const values: Readonly<Record<string, string>> = { packagePath, workingPath, outputPath, parametersFile, resultFile };
  return args.map((argument) => argument.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole));
}

const invalid = (message: string): PackageError => new PackageError("EntryPointInvalid", message);
