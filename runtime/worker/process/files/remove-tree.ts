/**
 * Removes a directory tree whatever a job has made of it: directories without permissions, names that are no text,
 * trees deeper than any path can name, files that appear while it works, directories that become links meanwhile. It
 * goes by open directories, so it never leaves the tree.
 */
import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { chmod, rename, rmdir, unlink } from "node:fs/promises";
import { sleep } from "../../../core/sleep.ts";
import { DESCRIPTORS_HAVE_PATHS, openDirectory, type OpenDirectory } from "./open-directory.ts";

/** Something may still be writing or holding on for a moment after its process was killed. */
const RETRIES = 5;
const RETRY_MS = 50;
/** Directories open at a time, two descriptors each; and no path comes near PATH_MAX (1,024 bytes on macOS). */
const MAX_DEPTH = 16;
const LONG_PATH_BYTES = 500;
/** Entries removed together: what keeps the thread pool for files busy. */
const ENTRIES_AT_ONCE = 32;
const OWNER_MAY_ALL = 0o700;

/** Resolves when nothing is left at `path`, whose parent must be the worker's; rejects with what the file system said last. */
export async function removeTree(path: string, byDescriptor = DESCRIPTORS_HAVE_PATHS): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await removeDirectory(Buffer.from(path), byDescriptor);
      return;
    } catch (error) {
      if (attempt >= RETRIES) throw error;
      if (attempt > 0) await sleep(RETRY_MS * attempt);
    }
  }
}

async function removeDirectory(path: Buffer, byDescriptor: boolean): Promise<void> {
  const root = await openForRemoval(path, byDescriptor);
  if (root !== undefined) {
    await using top = root;
    /** Names in `top` of directories that lay too deep. The loop sees those that are added while it runs. */
    const lifted: Buffer[] = [];
    const lift = async (directory: Buffer): Promise<void> => {
      const name = Buffer.from(`lifted-${randomUUID()}`);
      await rename(directory, top.at(name));
      lifted.push(name);
    };
    const level: Level = { depth: 0, longest: path.length + LONG_PATH_BYTES, byDescriptor, lift };
    await empty(top, level);
    for (const name of lifted) await removeEntry(top.at(name), level);
  }
  await ignoring(rmdir(path), "ENOENT");
}

interface Level {
  readonly depth: number;
  readonly longest: number;
  readonly byDescriptor: boolean;
  /** Moves a directory to where it can be reached. */
  readonly lift: (directory: Buffer) => Promise<void>;
}

async function empty(directory: OpenDirectory, level: Level): Promise<void> {
  let batch: Dirent<Buffer>[] = [];
  const removeBatch = async (): Promise<void> => {
    const full = await Promise.all(batch.map((entry) => removeAtOnce(directory.at(entry.name), entry.isDirectory())));
    batch = [];
    for (const path of full) if (path !== undefined) await removeEntry(path, level);
  };
  for await (const entry of directory.entries()) {
    if (batch.push(entry) >= ENTRIES_AT_ONCE) await removeBatch();
  }
  await removeBatch();
}

/** Resolves to the path of a directory that has something in it. */
async function removeAtOnce(path: Buffer, isDirectory: boolean): Promise<Buffer | undefined> {
  try {
    await (isDirectory ? rmdir(path) : unlink(path));
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    // It may have become something else meanwhile, or its directory may be closed. The next try shows.
    if (isDirectory) return path;
    throw error;
  }
}

/** A directory below the root. */
async function removeEntry(path: Buffer, { depth, ...level }: Level): Promise<void> {
  const opened = await openForRemoval(path, level.byDescriptor);
  if (opened === undefined) return;
  {
    await using directory = opened;
    if (depth === MAX_DEPTH || path.length >= level.longest) {
      // Opened before, because a directory can only be moved by its owner if it may be written.
      await level.lift(path);
      return;
    }
    await empty(directory, { ...level, depth: depth + 1 });
  }
  await ignoring(rmdir(path), "ENOENT");
}

/** Undefined when it has gone, or was no directory and has been removed. */
async function openForRemoval(path: Buffer, byDescriptor: boolean): Promise<OpenDirectory | undefined> {
  let directory: OpenDirectory;
  try {
    // Where descriptors have no paths, a directory must be readable to be opened, and jobs have the worker's user.
    if (!byDescriptor) await chmod(path, OWNER_MAY_ALL).catch(() => undefined);
    directory = await openDirectory(path, byDescriptor);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
    await ignoring(unlink(path), "ENOENT");
    return undefined;
  }
  const isOpen = (Number(directory.stats.mode) & OWNER_MAY_ALL) === OWNER_MAY_ALL;
  // What resists shows at the removal of what is inside.
  if (!isOpen) await directory.chmod(OWNER_MAY_ALL).catch(() => undefined);
  return directory;
}

async function ignoring(work: Promise<void>, harmless: string): Promise<void> {
  try {
    await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== harmless) throw error;
  }
}
