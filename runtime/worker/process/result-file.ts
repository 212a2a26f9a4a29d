/** Reads the result a command has left. The file is the job's: it may be a link, a pipe or endless. */
import { basename, dirname } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { OUTPUT_MAX_BYTES } from "../../core/limits.ts";
import { decodeUtf8 } from "../../core/parse-json.ts";
import { interruptionOf } from "../machine-fault.ts";
import { type JobFile, openJobFile, type Refused, refusalOf } from "./job-file.ts";
import { openDirectory } from "./open-directory.ts";
import { type Ended, failed, succeeded } from "./run.ts";
import type { Workspace } from "./workspace.ts";

interface ResultFile {
  readonly ended: Ended;
  /** False: there is none. */
  readonly written: boolean;
}

/** What a command's exit code 0 means together with its result file. Never rejects. */
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
