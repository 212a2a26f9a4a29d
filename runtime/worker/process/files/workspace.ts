/**
 * The private directories of one attempt: created fresh, removed afterwards whatever the job has left in them. The folder
 * they lie in stays the worker's, so a job with a user of its own cannot put anything in their place. The package cache
 * fills the package directory.
 */
import { chmod, lchown, mkdir, mkdtemp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../../core/errors.ts";
import type { Logger } from "../../../core/logger.ts";
import type { JobUser, UserLease } from "../os/job-user.ts";
import { removeTree } from "./remove-tree.ts";

export interface Workspace {
  /** Everything of the attempt is below. The worker's own. */
  readonly root: string;
  /** The user that owns what the job leaves. Undefined: any user may, as with a worker and jobs of root. */
  owner(): number | undefined;
  /** Not created: reserved for the attempt's copy of the package. */
  readonly packagePath: string;
  /** Current directory and HOME of the job; empty at start. */
  readonly workingPath: string;
  /** Files left here become artifacts. */
  readonly outputPath: string;
  /** TMPDIR of the job. */
  readonly temporaryPath: string;
  /** Where commands find their parameters. */
  readonly parametersFile: string;
  /** Where commands find their settings, if their package declares some. */
  readonly settingsFile: string;
  /**
   * Where commands may leave their output: in a directory of its own, so that it can be written beside and moved there. The
   * directory is made for commands only.
   */
  readonly resultFile: string;
  /**
   * Gives what is below the root to the user that the job runs as, who stays taken until it is removed. To be called once,
   * when everything the job needs is there, before it runs.
   */
  handOver(lease: UserLease): Promise<void>;
  /** Idempotent. Rejects if something cannot be removed. The next `sweep` tries again, and no job gets the user until then. */
  remove(): Promise<void>;
}

export interface Workspaces {
  /** Removes what a crashed worker left. Call before the first `create`, and after leftover processes are gone. */
  sweep(): Promise<void>;
  create(): Promise<Workspace>;
}

/** A workspace that is removed when its scope is left. */
export async function openWorkspace(
  workspaces: Pick<Workspaces, "create">,
  log: Logger,
): Promise<Workspace & AsyncDisposable> {
  const workspace = await workspaces.create();
  return {
    ...workspace,
    [Symbol.asyncDispose]: () => removeWorkspace(workspace, log),
  };
}

/** What resists is logged and left for the next sweep. */
export async function removeWorkspace(workspace: Pick<Workspace, "root" | "remove">, log: Logger): Promise<void> {
  await workspace.remove().catch((error: unknown) => {
    log.warn({ error: messageOf(error), root: workspace.root }, "a workspace could not be removed");
  });
}

export interface WorkspacesConfig {
  readonly root: string;
  /** Begins the name of every workspace. */
  readonly prefix?: string;
}

/** Short, because a job's sockets below TMPDIR have 108 characters for their whole path. */
const ATTEMPT_PREFIX = "a-";

/** Jobs with users of their own pass through to theirs, and see no names of others. */
const PASSAGE = 0o711;
const PRIVATE = 0o700;

/** `root` and `prefix` belong to one worker alone: its sweep removes every workspace it finds there. */
export function createWorkspaces({ root, prefix = ATTEMPT_PREFIX }: WorkspacesConfig): Workspaces {
  let opened: Promise<void> | undefined;

  async function openRoot(): Promise<void> {
    await mkdir(root, { recursive: true });
    await chmod(root, PASSAGE);
  }

  return {
    async sweep() {
      await mkdir(root, { recursive: true });
      const leftovers = (await readdir(root)).filter((name) => name.startsWith(prefix));
      await Promise.all(leftovers.map((name) => removeTree(join(root, name))));
    },

    async create() {
      await (opened ??= openRoot().catch((error: unknown) => {
        opened = undefined;
        throw error;
      }));
      // mkdtemp: a fresh name, and no other user may look inside (mode 700).
      const path = await mkdtemp(join(root, prefix));
      let kept: UserLease | undefined;
      let owner: number | undefined;
      const workspace: Workspace = {
        root: path,
        owner: () => owner ?? ownUserUnlessRoot(),
        packagePath: join(path, "package"),
        workingPath: join(path, "work"),
        outputPath: join(path, "output"),
        temporaryPath: join(path, "tmp"),
        parametersFile: join(path, "parameters.json"),
        settingsFile: join(path, "settings.json"),
        resultFile: join(path, "result", "result.json"),
        async handOver(lease) {
          lease.keep();
          kept = lease;
          if (lease.user === undefined) return;
          owner = lease.user.uid;
          // All jobs' users pass through the root by their common group; what is below is for one of them alone.
          const below = await readdir(path, { withFileTypes: true });
          const folders = below.filter((entry) => entry.isDirectory());
          await Promise.all(folders.map(({ name }) => chmod(join(path, name), PRIVATE)));
          await giveTree(path, lease.user);
        },
        async remove() {
          const lease = kept;
          kept = undefined;
          await removeTree(path).catch((error: unknown) => {
            lease?.close(`${path} cannot be removed`);
            throw error;
          });
          lease?.release();
        },
      };
      await Promise.all(
        [workspace.workingPath, workspace.outputPath, workspace.temporaryPath].map((each) => mkdir(each)),
      );
      return workspace;
    },
  };
}

/** Files of a job of root may belong to any user, and root reads them all anyway. */
function ownUserUnlessRoot(): number | undefined {
  const own = process.getuid?.();
  return own === 0 ? undefined : own;
}

/** Enough to keep the thread pool for files busy. */
const CHANGES_AT_ONCE = 32;
/** The worker may all; the job's group passes through and sees no names. */
const GROUP_PASSAGE = 0o710;

/**
 * Gives everything below `root` to the user, and last of all opens `root` for it. Until then no other user can reach what
 * is below: `root` must be the worker's, closed to others (mode 700), and never opened before.
 */
async function giveTree(root: string, user: JobUser): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  // Files first, then directories, the deepest first: what a directory holds is given before the directory is.
  const pathsOf = (directories: boolean): string[] =>
    entries.filter((entry) => entry.isDirectory() === directories).map((entry) => join(entry.parentPath, entry.name));
  await inTurns(pathsOf(false), (path) => lchown(path, user.uid, user.gid));
  const directories = pathsOf(true).toSorted((a, b) => depthOf(b) - depthOf(a));
  for (const directory of directories) await lchown(directory, user.uid, user.gid);
  await lchown(root, process.getuid?.() ?? 0, user.gid);
  await chmod(root, GROUP_PASSAGE);
}

const depthOf = (path: string): number => path.split("/").length;

/** All take from the same iterator. */
async function inTurns(paths: readonly string[], change: (path: string) => Promise<void>): Promise<void> {
  const waiting = paths.values();
  const work = async (): Promise<void> => {
    for (const path of waiting) await change(path);
  };
  await Promise.all(Array.from({ length: CHANGES_AT_ONCE }, work));
}
