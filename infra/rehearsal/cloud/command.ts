/** Runs programs of the host for the rehearsal. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/** The output of a program. If it fails, rejects with its standard error in the message. */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { maxBuffer: OUTPUT_MAX_BYTES });
  return stdout;
}
