/** Finds the program of a command entry, and says in words what keeps it from being started. */
import { open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { CommandEntry } from "../../core/manifest.ts";
import { PackageError } from "../../core/errors.ts";
import { findProgram, isExecutable } from "./launch.ts";
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
  if (found?.isFile() !== true) throw invalid(`The package has no file "${command}".`);
  if (!isExecutable(inside)) throw invalid(`"${command}" is not executable: pack it with its executable bit set.`);
  await checkInterpreter(inside, command, searchPath);
  return inside;
}

/** A missing interpreter would be reported as if the script itself were missing. */
async function checkInterpreter(file: string, command: string, searchPath: string): Promise<void> {
  const { interpreter, argument } = await readInterpreter(file);
  if (interpreter === undefined) return;
  if (!isExecutable(interpreter)) throw invalid(`"${command}" needs ${interpreter}, which this worker does not have.`);
  const isByName = basename(interpreter) === "env" && argument !== undefined && !argument.startsWith("-");
  if (isByName && findProgram(argument, searchPath) === undefined) {
    throw invalid(`"${command}" needs ${argument}, which this worker does not have.`);
  }
}

interface Interpreter {
  readonly interpreter?: string | undefined;
  readonly argument?: string | undefined;
}

/** The first line of a script: `#!/bin/sh -e`. Linux reads 256 bytes of it. */
async function readInterpreter(path: string): Promise<Interpreter> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
  const [line = ""] = buffer.toString("latin1", 0, bytesRead).split("\n");
  if (!line.startsWith("#!")) return {};
  const [interpreter, argument] = line.slice(2).trim().split(/\s+/);
  return { interpreter, argument };
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
