/**
 * A file that a job left, opened once and judged by what was opened: an ordinary file, the job's own, under this name
 * only. Through a link or a second name it could be a file that the job itself cannot read.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isMachineFault } from "../machine-fault.ts";

/** Not through a link, and not waiting for whoever might write to a pipe. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

export interface JobFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly bytes: number;
}

/** Why a file of a job is not taken, as the end of a sentence about it. */
export interface Refused {
  readonly refused: string;
  /** There is none. */
  readonly isGone?: true;
}

/** `owner` undefined: anybody. Rejects with faults of the machine only. */
export async function openJobFile(path: Buffer, owner: number | undefined): Promise<JobFile | Refused> {
  let handle: FileHandle;
  try {
    handle = await open(path, FLAGS);
  } catch (error) {
    return refusalOf(error);
  }
  try {
    const stats = await handle.stat();
    const refused = stats.isFile() ? strangeness(stats, owner) : "is not an ordinary file";
    if (refused === undefined) return { handle, bytes: stats.size, [Symbol.asyncDispose]: () => handle.close() };
    await handle.close();
    return { refused };
  } catch (error) {
    await handle.close();
    return refusalOf(error);
  }
}

function strangeness({ uid, nlink }: { uid: number; nlink: number }, owner: number | undefined): string | undefined {
  if (owner !== undefined && uid !== owner) return "belongs to another user";
  return nlink > 1 ? "has further names (hard links)" : undefined;
}

/** Throws what is no error of the file system, and faults of the machine. */
export function refusalOf(error: unknown): Refused {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || isMachineFault(error)) throw error;
  switch (code) {
    case "ENOENT":
      return { refused: "was removed", isGone: true };
    case "ELOOP":
      return { refused: "is a link" };
    case "EACCES":
    case "EPERM":
      return { refused: "may not be read" };
    default:
      return { refused: `cannot be read (${code})` };
  }
}
