/** Runs the programs of the host that the rehearsal needs. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/** What the program printed. Rejects with its standard error in the message when it fails. */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { maxBuffer: OUTPUT_MAX_BYTES });
  return stdout;
}
