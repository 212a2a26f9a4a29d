/**
 * Lets one process at a time use a folder. The claim is a lock of the operating system on `owner.lock`, taken through
 * SQLite. It ends with its process, also after kill -9. A process that gets the same id later does not have it. Two
 * processes never have it at once. `owner.json` beside it names the owner, for people.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sleep } from "../core/sleep.ts";

export interface OwnFolderOptions {
  /** Created if it does not exist. */
  readonly directory: string;
  /** Time to wait for the current owner to end. Default: none. */
  readonly waitMs?: number;
  /** Called once before waiting for an owner. */
  readonly onWait?: (owner: string) => void;
  /** Ends the wait. The signal's reason is thrown. */
  readonly signal?: AbortSignal;
}

export interface OwnedFolder {
  readonly directory: string;
  /** Gives the folder back. A second call does nothing. */
  readonly release: () => void;
}

/** Another running process owns the folder. `owner` names it. */
export class FolderInUseError extends Error {
  override readonly name = "FolderInUseError";
  readonly owner: string;

  constructor(directory: string, owner: string) {
    super(`The folder ${directory} is in use by ${owner}.`);
    this.owner = owner;
  }
}

const LOOK_EVERY_MS = 100;
const OWNER_ONLY = 0o600;
const SQLITE_BUSY = 5;
/** Keeps the locks referenced, because a garbage-collected lock would end its claim. */
const held = new Set<DatabaseSync>();

/** Throws FolderInUseError, and errors of the file system. */
export async function ownFolder({ directory, waitMs = 0, onWait, signal }: OwnFolderOptions): Promise<OwnedFolder> {
  const ownerFile = join(directory, "owner.json");
  mkdirSync(directory, { recursive: true });
  const until = performance.now() + waitMs;
  let told = false;
  for (;;) {
    const lock = lockOf(join(directory, "owner.lock"));
    if (lock !== undefined) {
      held.add(lock);
      const release = (): void => {
        if (!held.delete(lock)) return;
        rmSync(ownerFile, { force: true });
        lock.close();
      };
      try {
        writeOwner(ownerFile);
      } catch (error) {
        release();
        throw error;
      }
      return { directory, release };
    }
    const owner = readOwner(ownerFile);
    if (performance.now() >= until) throw new FolderInUseError(directory, owner);
    if (!told) onWait?.(owner);
    told = true;
    await sleep(LOOK_EVERY_MS);
    signal?.throwIfAborted();
  }
}

/** Undefined if another connection has the lock, in this process or another one. */
function lockOf(path: string): DatabaseSync | undefined {
  // Created here with these permissions. SQLite would let other users read it, and a reader could block the next owner.
  closeSync(openSync(path, "a", OWNER_ONLY));
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

function writeOwner(path: string): void {
  const unfinished = `${path}.new`;
  writeFileSync(unfinished, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }), {
    mode: OWNER_ONLY,
  });
  renameSync(unfinished, path);
}

function readOwner(path: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(path, "utf8")) as { readonly pid: number; readonly since: string };
    if (isAlive(pid)) return `process ${pid}, since ${new Date(since).toLocaleString("sv-SE")}`;
  } catch {
    // The owner has the lock and has not written the file yet.
  }
  // A file of a dead process is older than the lock.
  return "another process";
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process cannot be signalled.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
