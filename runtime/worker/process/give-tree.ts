/**
 * Hands the files of an attempt to the user its job runs as. The folder above them stays the worker's, so that a job can
 * replace none of them by something else.
 */
import { chmod, lchown, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { JobUser } from "./job-user.ts";

/** What keeps the thread pool for files busy. */
const CHANGES_AT_ONCE = 32;
/** The worker may all; the job's group passes through and sees no names. */
const PASSAGE = 0o710;

/**
 * Gives everything below `root` to the user, and last of all opens `root` for it. Until then nobody else can reach what
 * is below: `root` must be the worker's, closed to others (mode 700), and never opened before.
 */
export async function giveTree(root: string, user: JobUser): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  // Files first, then directories, the deepest first: what a directory holds is given before the directory is.
  const pathsOf = (directories: boolean): string[] =>
    entries.filter((entry) => entry.isDirectory() === directories).map((entry) => join(entry.parentPath, entry.name));
  await inTurns(pathsOf(false), (path) => lchown(path, user.uid, user.gid));
  const directories = pathsOf(true).toSorted((a, b) => depthOf(b) - depthOf(a));
  for (const directory of directories) await lchown(directory, user.uid, user.gid);
  await lchown(root, process.getuid?.() ?? 0, user.gid);
  await chmod(root, PASSAGE);
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
