/** Runs any executable as a job: parameters in a file, progress on stdout, the exit code and a result file as its end. */
import { mkdir, open, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { PackageError } from "../../core/errors.ts";
import type { Progress } from "../../core/job/job.ts";
import type { CommandEntry } from "../../core/package/manifest.ts";
import { PROGRAM_HEAD_BYTES, programProblem, readInterpreter } from "../../core/package/program-file.ts";
import { captureOutput } from "./log/captured-output.ts";
import { commandEnvironment, jobEnvironment } from "./environment.ts";
import { readResultFile } from "./files/job-file.ts";
import { type Launcher, findProgram, isExecutable } from "./os/launch.ts";
import type { ProcessExit } from "./os/spawner.ts";
import { presentable } from "./progress.ts";
import {
  type Conclusion,
  type Ended,
  type Run,
  type RunListener,
  crashed,
  createHeapErrorReader,
  failed,
} from "./run.ts";
import type { OwnProcessSpec } from "./spec.ts";
import type { JobUsers } from "./os/job-users.ts";

/** EX_DATAERR of sysexits.h, "the input data was incorrect": another attempt cannot help. */
const DO_NOT_RETRY_EXIT_CODE = 65;
/** Of the last line on stderr, which usually says what went wrong. */
const REASON_MAX_LENGTH = 500;

export interface CommandDeps {
  readonly launcher: Launcher;
  readonly users: JobUsers;
  /** What every child sees of the worker's environment. */
  readonly environment: Readonly<Record<string, string>> & { readonly PATH: string };
  readonly listener: RunListener;
  readonly signal: AbortSignal;
}

/** Throws LaunchError, PackageError, or the signal's reason if it fires before the command was started. */
export async function startCommand(spec: OwnProcessSpec, entry: CommandEntry, deps: CommandDeps): Promise<Run> {
  const { launcher, users, environment, listener, signal } = deps;
  const { workspace, packagePath } = spec;
  const file = await resolveCommand(entry.command, packagePath, environment.PATH);
  await mkdir(dirname(workspace.resultFile));
  await writeFile(workspace.parametersFile, spec.job.parameters, { mode: 0o600, flag: "wx" });
  if (spec.settings !== undefined) {
    await writeFile(workspace.settingsFile, JSON.stringify(spec.settings.values), { mode: 0o600, flag: "wx" });
  }
  const lease = await users.take(signal);
  try {
    await workspace.handOver(lease);
    signal.throwIfAborted();
  } catch (error) {
    lease.release();
    throw error;
  }
  const process = await launcher.launch({
    file,
    args: fillArguments(entry, spec),
    cwd: workspace.workingPath,
    environment: { ...environment, ...jobEnvironment(spec), ...commandEnvironment(spec) },
    lease,
  });

  let stopping = false;
  let lastError = "";
  /** The first lines: enough to tell whether the program itself has printed anything. */
  const printed: string[] = [];
  const heap = createHeapErrorReader();
  const drained = captureOutput(process, {
    line(source, line) {
      listener.line(source, line);
      if (printed.length < 2) printed.push(line.toString("utf8").trim());
      if (source === "err") {
        heap.read(line);
        lastError = line.toString("utf8").trim().slice(0, REASON_MAX_LENGTH) || lastError;
      } else {
        const progress = parseProgressLine(line);
        if (progress !== undefined) listener.progress(progress);
      }
    },
    printed: listener.alive,
  });
  // Whether it ended by itself is decided when it ends, not when its pipes are empty.
  let wasStopping = false;
  void process.exit.then(() => (wasStopping = stopping));

  return {
    pid: process.pid,
    tree: process.tree,
    finished: process.exit,
    // A command reports its end by exiting.
    endReported: new Promise(() => undefined),
    drained,
    stop() {
      stopping = true;
      process.signal("SIGTERM");
    },
    clear: () => process.clear(),
    async conclude() {
      const exit = await process.exit;
      const problem = neverStarted(entry.command, exit, printed);
      if (problem !== undefined) {
        return { ended: failed("EntryPointInvalid", problem, false), reported: false, stopping: wasStopping };
      }
      const exhausted = heap.exhausted(exit);
      if (exhausted !== undefined) return { ended: exhausted, reported: false, stopping: wasStopping };
      return { ...(await endOf(exit, workspace, lastError, wasStopping)), stopping: wasStopping };
    },
    destroy() {
      process.closePipes();
    },
  };
}

async function endOf(
  exit: ProcessExit,
  workspace: OwnProcessSpec["workspace"],
  lastError: string,
  stopping: boolean,
): Promise<Omit<Conclusion, "stopping">> {
  if (exit.code === null) return { ended: crashed(exit), reported: false };
  if (exit.code === 0) {
    const { ended, written } = await readResultFile(workspace);
    // Many programs exit with 0 when they are asked to stop: only a result shows that the work was done.
    return { ended, reported: !stopping || written };
  }
  return { ended: commandFailed(exit.code, lastError), reported: !stopping };
}

function commandFailed(code: number, lastError: string): Ended {
  const reason = lastError === "" ? "." : `: ${lastError}`;
  return failed("JobFailed", `The command ended with exit code ${code}${reason}`, code !== DO_NOT_RETRY_EXIT_CODE);
}

/** `::progress 0.5 Half way`, `::progress 50% Half way`, `::progress Half way`; `Progress:` in the same place. */
const FORM = /^(?:::progress(?=\s)|Progress:)\s*(?:(?<number>\d*\.?\d+)(?<percent>%)?(?=\s|$))?\s*(?<text>.*)$/s;

/** No line of progress is longer; those that are, are output. */
const MAX_BYTES = 4_096;

/** The progress a line of stdout reports; undefined for ordinary output. */
export function parseProgressLine(line: Buffer): Progress | undefined {
  if (line.length > MAX_BYTES || (line[0] !== COLON && line[0] !== LETTER_P)) return undefined;
  const groups = FORM.exec(line.toString("utf8"))?.groups;
  if (groups === undefined) return undefined;
  const { number, percent, text } = groups;
  const fraction = number === undefined ? undefined : Number(number) / (percent === undefined ? 1 : 100);
  return presentable({ fraction, text });
}

const COLON = 58;
const LETTER_P = 80;

/**
 * An absolute path: a file of the package if `command` contains a slash or names one, else the first such program on
 * the search path. Throws PackageError "EntryPointInvalid".
 */
async function resolveCommand(command: string, packagePath: string, searchPath: string): Promise<string> {
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
function neverStarted(command: string, { code }: ProcessExit, printed: readonly string[]): string | undefined {
  if ((code !== 126 && code !== 127) || printed.length !== 1) return undefined;
  const reason = /^(?:setpriv|prlimit): .*: (?<reason>[^:]+)$/.exec(printed[0] ?? "")?.groups?.["reason"];
  if (reason === undefined) return undefined;
  return `"${command}" cannot be started on this worker: ${reason}. Its interpreter, or a loader it was built for, may be missing.`;
}

/** Arguments with the paths of this attempt in place of their names. */
function fillArguments(
  { args = [] }: CommandEntry,
  { packagePath, workspace }: Pick<OwnProcessSpec, "packagePath" | "workspace">,
): readonly string[] {
  const { workingPath, outputPath, parametersFile, settingsFile, resultFile } = workspace;
  const paths = { packagePath, workingPath, outputPath, parametersFile, settingsFile, resultFile };
  const values: Readonly<Record<string, string>> = paths;
  return args.map((argument) => argument.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole));
}

const invalid = (message: string): PackageError => new PackageError("EntryPointInvalid", message);
