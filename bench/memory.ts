/** Reads a process's memory use. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Its resident set, in KiB. */
export async function rssKiBOf(pid: number | undefined): Promise<number> {
  if (pid === undefined) throw new Error("The program is not running.");
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(stdout);
}
