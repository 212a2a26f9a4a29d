/**
 * Starts a process that can be ended for good: it leads its own group, carries a mark, sees only the environment it is
 * given, dies with the worker (Linux), and is the first to go when the machine runs out of memory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { accessSync, constants, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { becomeArguments, type JobUser } from "./job-user.ts";
import { MARK_VARIABLE, type ProcessTree, createTreeKiller, signal, treeOf } from "./process-tree.ts";

export interface LaunchSpec {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Pipes beyond stdout and stderr, from descriptor 3 on. */
  readonly extraPipes?: number;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LaunchedProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly tree: ProcessTree;
  /** The first process has ended; others of its tree may still run. */
  readonly exit: Promise<ProcessExit>;
  /** To the whole group. */
  signal(name: NodeJS.Signals): void;
  /** Ends the whole tree; resolves when nothing of it runs, to the number of processes that the first one left behind. */
  clear(): Promise<number>;
}

/** This machine could not start a process: too many of them, no memory, no such program. */
export class LaunchError extends Error {
  override readonly name = "LaunchError";
}

export interface Launcher {
  /** What the marks of all processes of this launcher begin with. */
  readonly markPrefix: string;
  /** Throws LaunchError. */
  launch(spec: LaunchSpec): Promise<LaunchedProcess>;
  /** Ends what an earlier worker with the same root has left running. */
  sweep(): Promise<void>;
}

/** Between the default (0) and first to be killed (1,000): well before the worker, not before a runaway browser. */
const OOM_SCORE = "500";

export interface LauncherConfig {
  /** Tells this worker's processes from those of others on the same machine. */
  readonly root: string;
  readonly searchPath: string;
  /** Default: the worker's own. */
  readonly user?: JobUser | undefined;
}

/** Throws LaunchError when processes are to have a user and nothing can give them one. */
export function createLauncher({ root, searchPath, user }: LauncherConfig): Launcher {
  const owner = createHash("sha256").update(root).digest("hex").slice(0, 16);
  const markPrefix = `${owner}.${randomUUID()}.`;
  const killer = createTreeKiller();
  const setpriv = process.platform === "linux" ? findProgram("setpriv", searchPath) : undefined;
  if (user !== undefined && setpriv === undefined)
    throw new LaunchError("Without setpriv jobs cannot have their user.");
  const ownUser = user === undefined ? [] : becomeArguments(user);

  return {
    markPrefix,

    async launch({ file, args, cwd, environment, extraPipes = 0 }) {
      const mark = `${markPrefix}${randomUUID()}`;
      // Linux clears the wish to die with the parent at every fork, so that it has to be made in the new process.
      // It holds for the thread that spawns: the worker launches from its main thread.
      const [program, programArgs] =
        setpriv === undefined ? [file, args] : [setpriv, ["--pdeathsig", "KILL", ...ownUser, "--", file, ...args]];
      const child = await spawned(() =>
        spawn(program, programArgs, {
          cwd,
          env: { ...environment, [MARK_VARIABLE]: mark },
          detached: true,
          stdio: ["ignore", "pipe", "pipe", ...Array<"pipe">(extraPipes).fill("pipe")],
        }),
      );
      const { pid } = child;
      // What goes wrong with a process or its pipes shows in its end; without a listener it would end the worker.
      for (const source of [child, ...child.stdio]) source?.on("error", () => undefined);
      const tree = treeOf(pid, mark);
      preferForOutOfMemory(pid);
      let running = true;
      const exit = new Promise<ProcessExit>((resolve) => {
        child.once("exit", (code, signalName) => {
          running = false;
          resolve({ code, signal: signalName });
        });
      });
      return {
        pid,
        child,
        tree,
        exit,
        signal(name) {
          // Afterwards the number may belong to somebody else.
          if (running) signal(-pid, name);
        },
        async clear() {
          const left = await killer.clear(tree);
          // A process that is dead for the kernel is not yet collected: its exit is the proof.
          await exit;
          return left;
        },
      };
    },

    sweep: () => killer.clearMarked((mark) => mark.startsWith(`${owner}.`) && !mark.startsWith(markPrefix)),
  };
}

/** `spawn` reports some errors by throwing and some by an event. */
async function spawned(start: () => ChildProcess): Promise<ChildProcess & { readonly pid: number }> {
  try {
    const child = start();
    if (child.pid !== undefined) return child as ChildProcess & { readonly pid: number };
    throw await new Promise<Error>((resolve) => child.once("error", resolve));
  } catch (error) {
    throw new LaunchError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function preferForOutOfMemory(pid: number): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
  } catch {
    // Already gone, or not ours to change: only a preference.
  }
}

/** The first executable of this name on a search path. */
export function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
