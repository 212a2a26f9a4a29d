import { readFile } from "node:fs/promises";

/** Of a second in /proc. */
const TICKS = 100;

/** CPU that a process has taken since its start, in user code and in the kernel. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // After the name, which may have spaces: the 12th and 13th are user and system.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
