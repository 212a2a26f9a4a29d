/** The directory a namespace is kept in: made on first use, used by one process at a time, with its own access key. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JournalError } from "./journal/journal-error.ts";

export interface DataDirectory {
  readonly path: string;
  /** Lets another process use it. */
  release(): void;
}

interface Owner {
  readonly pid: number;
  /** When that process began, where the system tells: a pid alone may have been given to another one since. */
  readonly startedAt: string | undefined;
}

/** @throws JournalError when it cannot be used, or another living process uses it. */
export function openDataDirectory(path: string): DataDirectory {
  const ownerPath = join(path, "owner.json");
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const owner = readOwner(ownerPath);
    // A container gives every process of ours the same pid: then only what this process holds itself counts.
    const inUse = owner && (owner.pid === process.pid ? heldHere.has(ownerPath) : isAlive(owner));
    if (inUse) {
      throw new JournalError(`The data directory ${path} is in use by process ${owner.pid}.`);
    }
    const self: Owner = { pid: process.pid, startedAt: startOf(process.pid) };
    writeFileSync(ownerPath, JSON.stringify(self), { mode: 0o600 });
    heldHere.add(ownerPath);
  } catch (error) {
    if (error instanceof JournalError) throw error;
    throw new JournalError(`The data directory ${path} cannot be used: ${(error as Error).message}.`, { cause: error });
  }
  const release = (): void => {
    heldHere.delete(ownerPath);
    rmSync(ownerPath, { force: true });
  };
  return { path, release };
}

const heldHere = new Set<string>();

/** The key kept in the directory, so that a connection string stays good over a restart; made when there is none. */
export function keptKey(directory: string): string {
  const path = join(directory, "sas-key");
  try {
    const kept = readFileSync(path, "utf8").trim();
    if (kept !== "") return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const key = randomKey();
  writeFileSync(path, key, { mode: 0o600 });
  return key;
}

export const randomKey = (): string => randomBytes(32).toString("base64");

function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path, "utf8")) as Partial<Owner>;
    return typeof owner.pid === "number" ? { pid: owner.pid, startedAt: owner.startedAt } : undefined;
  } catch {
    // Absent, or cut off while its writer was killed: either way nobody holds the directory through it.
    return undefined;
  }
}

function isAlive({ pid, startedAt }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return startedAt === undefined || startedAt === startOf(pid);
}

/** The start of a process in clock ticks since boot, on Linux: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything, so fields are counted behind it: field 22 is the 20th from there.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    // Not Linux, or the process is gone.
    return undefined;
  }
}
