/**
 * A file that a job left, opened once and judged by what was opened: an ordinary file, the job's own, under this name
 * only. Through a link or a second name it could be a file that the job itself cannot read.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { messageOf } from "../../../core/errors.ts";
import { decodeUtf8 } from "../../../core/json.ts";
import { OUTPUT_MAX_BYTES } from "../../../core/limits.ts";
import { interruptionOf, isMachineFault } from "../../attempt/machine-fault.ts";
import { type Ended, failed, succeeded } from "../run.ts";
import { openDirectory } from "./open-directory.ts";
import type { Workspace } from "./workspace.ts";

/** Not through a link, and not waiting for a writer of a pipe. */
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

/** `owner` undefined: any user. Rejects with faults of the machine only. */
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

interface ResultFile {
  readonly ended: Ended;
  /** False: there is none. */
  readonly written: boolean;
}

/**
 * What a command's exit code 0 means together with its result file. The file is the job's: it may be a link, a pipe or
 * endless. Never rejects.
 */
export async function readResultFile(workspace: Pick<Workspace, "resultFile" | "owner">): Promise<ResultFile> {
  try {
    const opened = await openResult(workspace);
    if ("refused" in opened) {
      return opened.isGone
        ? { ended: { kind: "succeeded", output: undefined }, written: false }
        : { ended: failed("JobFailed", `The result file ${opened.refused}.`, false), written: true };
    }
    await using file = opened;
    return { ended: await readResult(file), written: true };
  } catch (error) {
    return { ended: { kind: "interrupted", ...interruptionOf(error) }, written: true };
  }
}

async function openResult(workspace: Pick<Workspace, "resultFile" | "owner">): Promise<JobFile | Refused> {
  const { resultFile } = workspace;
  try {
    await using directory = await openDirectory(dirname(resultFile));
    return await openJobFile(directory.at(Buffer.from(basename(resultFile))), workspace.owner());
  } catch (error) {
    return refusalOf(error);
  }
}

async function readResult({ handle }: JobFile): Promise<Ended> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(OUTPUT_MAX_BYTES + 1), 0, OUTPUT_MAX_BYTES + 1, 0);
  if (bytesRead > OUTPUT_MAX_BYTES) {
    const advice = "Write large results to files in the output directory.";
    return failed("OutputTooLarge", `The result file holds more than ${OUTPUT_MAX_BYTES} bytes. ${advice}`, false);
  }
  let output: string;
  try {
    output = decodeUtf8(buffer.subarray(0, bytesRead)).trim();
  } catch (error) {
    return failed("JobFailed", `The result file ${messageOf(error)}.`, false);
  }
  // Left by a program that was to write into it and did not: a job without an output leaves no file.
  if (output === "") return failed("JobFailed", "The result file is empty.", false);
  return succeeded(output, "The result file");
}
