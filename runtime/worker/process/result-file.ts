/** Reads the result a command has left. The file is the job's: it may be a link, a pipe or endless. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { OUTPUT_MAX_BYTES } from "../../core/limits.ts";
import { type Ended, failed, isJson } from "./run.ts";

/** What a command's exit code 0 means together with its result file; `written` false: there is none. */
export async function readResultFile(path: string): Promise<{ readonly ended: Ended; readonly written: boolean }> {
  let file: FileHandle;
  try {
    // Not through a link, which could show files of the worker; not waiting for whoever might write to a pipe.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return { ended: { kind: "succeeded", output: undefined }, written: false };
    }
    return { ended: failed("JobFailed", "The result file cannot be read.", false), written: true };
  }
  try {
    return { ended: await readResult(file), written: true };
  } finally {
    await file.close();
  }
}

async function readResult(file: FileHandle): Promise<Ended> {
  if (!(await file.stat()).isFile()) return failed("JobFailed", "The result file is not an ordinary file.", false);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(OUTPUT_MAX_BYTES + 1), 0, OUTPUT_MAX_BYTES + 1, 0);
  if (bytesRead > OUTPUT_MAX_BYTES) {
    const advice = "Write large results to files in the output directory.";
    return failed("OutputTooLarge", `The result file holds more than ${OUTPUT_MAX_BYTES} bytes. ${advice}`, false);
  }
  const output = buffer.toString("utf8", 0, bytesRead).trim();
  if (output === "") return { kind: "succeeded", output: undefined };
  return isJson(output) ? { kind: "succeeded", output } : failed("JobFailed", "The result file is not JSON.", false);
}
