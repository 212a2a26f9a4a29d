/** The directory that keeps a namespace. One process at a time owns it. It has a shared access key of its own. */
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { JournalError } from "./files.ts";

export interface DirectoryClaim {
  /** Lets another process use the directory. */
  release(): void;
}

/** Makes an existing directory this process's own. It fails when another process has the directory. */
export type ClaimDirectory = (directory: string) => DirectoryClaim | Promise<DirectoryClaim>;

/** @throws JournalError when the directory cannot be used. @throws Error from `claim`. */
export async function openDataDirectory(
  directory: string,
  claim: ClaimDirectory = claimAtOnce,
): Promise<DirectoryClaim> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(directory, error);
  }
  return await claim(directory);
}

const SQLITE_BUSY = 5;
/** A lock that nothing refers to would be collected, and the claim would end with it. */
const held = new Set<DatabaseSync>();

/**
 * Takes a lock that the operating system keeps, through SQLite. It ends with the process, also after `kill -9`, and is
 * never given to two processes.
 */
function claimAtOnce(directory: string): DirectoryClaim {
  let lock: DatabaseSync | undefined;
  try {
    const path = join(directory, "owner.lock");
    // SQLite would create a file that other users can read, and a reader could keep the next owner waiting.
    closeSync(openSync(path, "a", 0o600));
    lock = new DatabaseSync(path, { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock?.close();
    const isTaken = error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
    if (isTaken) throw new JournalError(`The data directory ${directory} is in use.`, { cause: error });
    throw unusable(directory, error);
  }
  const taken = lock;
  held.add(taken);
  return {
    release: () => {
      if (held.delete(taken)) taken.close();
    },
  };
}

const unusable = (directory: string, error: unknown): JournalError =>
  new JournalError(`The data directory ${directory} cannot be used: ${(error as Error).message}.`, { cause: error });

/** The key in the directory, made when there is none. With it a connection string stays good over a restart. */
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
