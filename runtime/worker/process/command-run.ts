/** Runs any executable as a job: parameters in a file, progress on stdout, the exit code and a result file as its end. */
import { writeFile } from "node:fs/promises";
import type { CommandEntry } from "../../core/manifest.ts";
import { captureOutput } from "./captured-output.ts";
import { parseProgressLine } from "./command-progress.ts";
import { fillArguments, neverStarted, resolveCommand } from "./command-resolution.ts";
import { commandEnvironment, jobEnvironment } from "./environment.ts";
import { createHeapWitness } from "./heap-witness.ts";
import type { JobUsers } from "./job-users.ts";
import type { Launcher, ProcessExit } from "./launch.ts";
import { readResultFile } from "./result-file.ts";
import { type Conclusion, type Ended, type Run, type RunListener, crashed, failed } from "./run.ts";
import type { JobProcessSpec } from "./spec.ts";

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
export async function startCommand(spec: JobProcessSpec, entry: CommandEntry, deps: CommandDeps): Promise<Run> {
  const { launcher, users, environment, listener, signal } = deps;
  const { workspace, packagePath } = spec;
  const file = await resolveCommand(entry.command, packagePath, environment.PATH);
  await writeFile(workspace.parametersFile, spec.job.parameters, { mode: 0o600, flag: "wx" });
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
  const heap = createHeapWitness();
  const drained = captureOutput(process.child, {
    line(source, line) {
      listener.line(source, line);
      if (printed.length < 2) printed.push(line.toString("utf8").trim());
      if (source === "err") {
        heap.see(line);
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
    // A command tells its end by exiting.
    told: new Promise(() => undefined),
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
        return { ended: failed("EntryPointInvalid", problem, false), told: false, stopping: wasStopping };
      }
      const exhausted = heap.exhausted(exit);
      if (exhausted !== undefined) return { ended: exhausted, told: false, stopping: wasStopping };
      return { ...(await endOf(exit, workspace, lastError, wasStopping)), stopping: wasStopping };
    },
    destroy() {
      process.child.stdout?.destroy();
      process.child.stderr?.destroy();
    },
  };
}

async function endOf(
  exit: ProcessExit,
  workspace: JobProcessSpec["workspace"],
  lastError: string,
  stopping: boolean,
): Promise<Omit<Conclusion, "stopping">> {
  if (exit.code === null) return { ended: crashed(exit), told: false };
  if (exit.code === 0) {
    const { ended, written } = await readResultFile(workspace);
    // Many programs exit with 0 when they are told to stop: only a result shows that the work was done.
    return { ended, told: !stopping || written };
  }
  return { ended: commandFailed(exit.code, lastError), told: !stopping };
}

function commandFailed(code: number, lastError: string): Ended {
  const reason = lastError === "" ? "." : `: ${lastError}`;
  return failed("JobFailed", `The command ended with exit code ${code}${reason}`, code !== DO_NOT_RETRY_EXIT_CODE);
}
