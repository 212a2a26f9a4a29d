/**
 * Notices what is saved in a folder. The operating system's hints only say when to look: what has changed is read from the
 * files themselves. So renames, new folders, editors that replace a file, and lost hints are all the same.
 */
import { type FSWatcher, watch } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

export interface FolderChange {
  /** Relative to the folder; also those that are gone. */
  readonly files: readonly string[];
  /** The latest time of a changed file, in milliseconds; undefined if all of them are gone. */
  readonly savedAt: number | undefined;
}

export interface FolderWatch {
  close(): void;
}

export interface FolderWatchDeps {
  readonly directory: string;
  readonly onChange: (change: FolderChange) => void;
  /** The folder can no longer be read. It is looked at again. */
  readonly onProblem: (error: unknown) => void;
}

/** A save is often several steps: so long after the last one it counts as complete. */
const QUIET_MS = 40;
/** Programs that write on and on are not waited for. */
const LONGEST_MS = 250;
/** For file systems without hints, such as a network's. */
const LOOK_EVERY_MS = 1_000;
/** A folder with very many files is looked at less often: looking takes at most this share of the time. */
const LOOK_SHARE = 1 / 20;

interface Hints {
  readonly firstAt: number;
  readonly lastAt: number;
}

/** When to look: shortly after the last hint, and not too long after the first. */
export const lookAt = ({ firstAt, lastAt }: Hints): number => Math.min(lastAt + QUIET_MS, firstAt + LONGEST_MS);

const SKIPPED = new Set(["node_modules", "coverage"]);
/** Files that editors make beside the one that they save. */
const TEMPORARY = /~$|^#.*#$|^4913$|\.(?:swp|swx|tmp)$|___jb_/;

/** Dependencies, hidden and temporary files make no new version. */
export const isWatched = (name: string): boolean =>
  !name.startsWith(".") && !SKIPPED.has(name) && !TEMPORARY.test(name);

/** What identifies a state of each file, by its path. Folders are those to watch for hints. */
interface Snapshot {
  readonly files: ReadonlyMap<string, { readonly state: string; readonly savedAt: number }>;
  readonly folders: ReadonlyMap<string, string>;
}

/** Resolves when changes are noticed. Throws errors of the file system. */
export async function watchFolder({ directory, onChange, onProblem }: FolderWatchDeps): Promise<FolderWatch> {
  const watchers = new Map<string, FSWatcher>();
  let known = await snapshotOf(directory);
  let hints: Hints | undefined;
  // A function, because the compiler takes what it has seen last for granted.
  const nextLook = (now: number): number | undefined => hints && lookAt(hints) - now;
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  let closed = false;

  function hint(): void {
    const now = performance.now();
    hints = { firstAt: hints?.firstAt ?? now, lastAt: now };
    if (!looking) lookIn(lookAt(hints) - now);
  }

  function lookIn(ms: number): void {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(() => void look(), Math.max(0, ms));
  }

  async function look(): Promise<void> {
    const startedAt = performance.now();
    looking = true;
    hints = undefined;
    try {
      const seen = await snapshotOf(directory);
      if (closed) return;
      const change = changeBetween(known, seen);
      known = seen;
      watchFolders();
      if (change !== undefined) onChange(change);
    } catch (error) {
      onProblem(error);
    } finally {
      looking = false;
      const now = performance.now();
      lookIn(nextLook(now) ?? Math.max(LOOK_EVERY_MS, (now - startedAt) / LOOK_SHARE));
    }
  }

  /** A folder that was replaced by another one of its name needs a new watcher. */
  function watchFolders(): void {
    const wanted = new Map([...known.folders].map(([path, id]) => [`${id} ${path}`, path]));
    for (const [key, watcher] of watchers) {
      if (wanted.has(key)) continue;
      watcher.close();
      watchers.delete(key);
    }
    for (const [key, path] of wanted) {
      if (watchers.has(key)) continue;
      try {
        const watcher = watch(join(directory, path), hint);
        // Without it, changes are still noticed by looking.
        watcher.on("error", () => watcher.close());
        watchers.set(key, watcher);
      } catch {
        // The folder is gone already, or the system has no watchers left.
      }
    }
  }

  watchFolders();
  lookIn(LOOK_EVERY_MS);
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

async function snapshotOf(directory: string): Promise<Snapshot> {
  const files = new Map<string, { state: string; savedAt: number }>();
  const folders = new Map<string, string>();

  async function read(below: string): Promise<void> {
    folders.set(below, String((await lstat(join(directory, below))).ino));
    const entries = await readdir(join(directory, below), { withFileTypes: true });
    await Promise.all(
      entries
        .filter(({ name }) => isWatched(name))
        .map(async (entry) => {
          const path = below === "" ? entry.name : `${below}/${entry.name}`;
          // It may be gone since its folder was read.
          if (entry.isDirectory()) return ifThere(() => read(path));
          await ifThere(async () => {
            const { mtimeMs, ctimeMs, size, ino, mode } = await lstat(join(directory, path));
            files.set(path, { state: [mtimeMs, size, ino, mode].join(" "), savedAt: Math.max(mtimeMs, ctimeMs) });
          });
        }),
    );
  }

  await read("");
  return { files, folders };
}

async function ifThere(read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

function changeBetween({ files: before }: Snapshot, { files: after }: Snapshot): FolderChange | undefined {
  const written = [...after].filter(([path, { state }]) => before.get(path)?.state !== state);
  const gone = [...before.keys()].filter((path) => !after.has(path));
  if (written.length + gone.length === 0) return undefined;
  const times = written.map(([, { savedAt }]) => savedAt);
  return {
    files: [...written.map(([path]) => path), ...gone].sort(),
    savedAt: times.length === 0 ? undefined : Math.max(...times),
  };
}
