/**
 * Starts a process that can be ended for good: it leads its own group, carries a mark, sees only the environment it is
 * given, dies with the worker (Linux), and is the first to go when the machine runs out of memory.
 */
import { createHash, randomUUID } from "node:crypto";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { becomeArguments, type UserLease } from "./job-user.ts";
import { messageOf } from "../../../core/errors.ts";
import { type SpawnedProcess, startSpawner } from "./spawner.ts";
import { JOB_NICENESS, JOB_PROCESSES_MAX } from "../process-limits.ts";
import { MARK_VARIABLE, type ProcessTree, createTreeKiller, signal } from "./process-tree.ts";

export interface LaunchSpec {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Pipes beyond stdout and stderr, from descriptor 3 on. */
  readonly extraPipes?: number;
  /** Who it runs as. One hold of it becomes the process's, until that is cleared or if it cannot be started. */
  readonly lease: UserLease;
}

export interface LaunchedProcess extends Pick<SpawnedProcess, "pid" | "stdio" | "exit"> {
  readonly tree: ProcessTree;
  readonly lease: UserLease;
  /** To the whole group. */
  signal(name: NodeJS.Signals): void;
  /**
   * Ends the whole tree, or everything of its user if no other job has that user; resolves when nothing of it runs, to the number
   * of processes that the first one left behind.
   */
  clear(): Promise<number>;
  /** Lets go of stdout and stderr, which something outside the tree may still hold. */
  closePipes(): void;
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
  /** Call when all that was launched is cleared. */
  close(): Promise<void>;
}

/** Between the default (0) and first to be killed (1,000): well before the worker, not before a runaway browser. */
const OOM_SCORE = "500";

export interface LauncherConfig {
  /** Distinguishes this worker's processes from those of other workers on the same machine. */
  readonly root: string;
  readonly searchPath: string;
  /** Processes get users of their own. */
  readonly changesUser: boolean;
  /** The program that starts the processes: `host/main.ts`, or its bundle. */
  readonly hostEntry: string;
}

/** Throws LaunchError when processes are to have a user and nothing can give them one. */
export function createLauncher({ root, searchPath, changesUser, hostEntry }: LauncherConfig): Launcher {
  const owner = createHash("sha256").update(root).digest("hex").slice(0, 16);
  const markPrefix = `${owner}.${randomUUID()}.`;
  const killer = createTreeKiller();
  const find = (name: string): string | undefined =>
    process.platform === "linux" ? findProgram(name, searchPath) : undefined;
  const [setpriv, prlimit] = [find("setpriv"), find("prlimit")];
  if (changesUser && (setpriv === undefined || prlimit === undefined))
    throw new LaunchError("Without setpriv and prlimit jobs cannot have their user.");
  const spawner = startSpawner({ hostEntry, searchPath, setpriv });
  const processesMax = Math.min(JOB_PROCESSES_MAX, ownProcessesMax());

  /**
   * The program in front, and its arguments. Linux clears the wish to die with the parent at every fork, so that it has to
   * be made in the new process: the spawner dies with the worker, and what it starts dies with the spawner.
   */
  function commandOf({ file, args, lease }: LaunchSpec): readonly string[] {
    if (setpriv === undefined) return [file, ...args];
    const { user, exclusive } = lease;
    // The kernel counts by user: for one that many jobs have, or the worker's own, the limit would be a trap.
    const limits = exclusive && prlimit !== undefined ? [prlimit, `--nproc=${processesMax}:${processesMax}`, "--"] : [];
    const become = user === undefined ? [] : becomeArguments(user);
    return [...limits, setpriv, "--pdeathsig", "KILL", ...become, "--", file, ...args];
  }

  return {
    markPrefix,

    async launch(spec) {
      const { cwd, environment, extraPipes = 0, lease } = spec;
      const mark = `${markPrefix}${randomUUID()}`;
      const [program = "", ...args] = commandOf(spec);
      const request = {
        ...{ program, args, cwd, environment: { ...environment, [MARK_VARIABLE]: mark } },
        ...{ pipes: 2 + extraPipes, oomScore: OOM_SCORE, niceness: lease.exclusive ? JOB_NICENESS : undefined },
      };
      const { pid, startedAt, stdio, exit } = await spawner.spawn(request).catch((error: unknown) => {
        lease.release();
        throw new LaunchError(messageOf(error), { cause: error });
      });
      const uid = lease.exclusive ? lease.user?.uid : undefined;
      const tree: ProcessTree = { leader: pid, startedAt, mark, uid };
      let running = true;
      void exit.then(() => (running = false));
      /** Nothing of the user can start any more once the first process is gone: then it is emptied. */
      async function clearUser(): Promise<number> {
        if (running) signal(pid, "SIGKILL");
        await exit;
        return lease.empty();
      }
      async function clear(): Promise<number> {
        const left = lease.exclusive ? await clearUser() : await killer.clear(tree);
        // A process that is dead for the kernel is not yet collected: its exit is the proof.
        await exit;
        lease.release();
        return left;
      }
      let clearing: Promise<number> | undefined;
      return {
        pid,
        stdio,
        tree,
        lease,
        exit,
        signal(name) {
          // Afterwards the number may belong to another process.
          if (running) signal(-pid, name);
        },
        clear: () => (clearing ??= clear()),
        closePipes() {
          stdio[1]?.destroy();
          stdio[2]?.destroy();
        },
      };
    },

    sweep: () => killer.clearMarked((mark) => mark.startsWith(`${owner}.`) && !mark.startsWith(markPrefix)),
    close: () => spawner.close(),
  };
}

/** What this worker may set for others at most. */
function ownProcessesMax(): number {
  if (process.platform !== "linux") return Infinity;
  const hard = Number(/^Max processes +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
  return Number.isNaN(hard) ? Infinity : hard;
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
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
