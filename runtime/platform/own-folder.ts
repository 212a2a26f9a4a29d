/**
 * A folder belongs to one process at a time. The claim is a lock that the operating system keeps on `owner.lock`, through
 * SQLite: it ends with its process, also after kill -9, cannot pass to another process that gets the same id, and is
 * never given to two processes at once. `owner.json` beside it names the owner, for people.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sleep } from "../core/sleep.ts";

export interface OwnFolderOptions {
  /** Made if it is not there. */
  readonly directory: string;
  /** How long an owner gets to end. Default: not at all. */
  readonly waitMs?: number;
  /** Called once, when there is an owner to wait for. */
  readonly onWait?: (owner: string) => void;
  /** Ends the waiting: the signal's reason is thrown. */
  readonly signal?: AbortSignal;
}

export interface OwnedFolder {
  readonly directory: string;
  /** Lets another process own it. A second call does nothing. */
  readonly release: () => void;
}

/** Another living process owns the folder; `owner` says which. */
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
/** A lock that is not referred to would be collected, and with it the claim. */
const held = new Set<DatabaseSync>();

/** Throws FolderInUseError, and what the file system says. */
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

/** Undefined: another connection has it, of this process or of another one. */
function lockOf(path: string): DatabaseSync | undefined {
  // SQLite would let others read it, and a reader could keep the next owner waiting.
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
