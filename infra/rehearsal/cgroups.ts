/**
 * A control group for each machine, below this process's own: two systemds in one group would each believe that it is
 * theirs. Groups do not vanish with their processes, so the next run removes what a killed one left.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

const ROOT = "/sys/fs/cgroup";
const PREFIX = "jobyard-rehearsal-";

/** The folder of this process's group, in the hierarchy that systemd uses. */
async function ownGroup(): Promise<string> {
  const lines = (await readFile("/proc/self/cgroup", "utf8")).trim().split("\n");
  const unified = existsSync(join(ROOT, "cgroup.controllers"));
  const line = lines.find((text) => text.includes(unified ? "0::" : ":name=systemd:"));
  const path = line?.split(":").at(2) ?? "/";
  return join(ROOT, unified ? "" : "systemd", path);
}

/** Makes the group and moves this process into it for as long as `start` takes, so that the child is born there. */
export async function inCgroup<Result>(name: string, start: () => Result): Promise<Result> {
  const own = await ownGroup();
  const group = join(own, `${PREFIX}${process.pid}-${name}`);
  await mkdir(group, { recursive: true });
  await writeFile(join(group, "cgroup.procs"), String(process.pid));
  try {
    return start();
  } finally {
    await writeFile(join(own, "cgroup.procs"), String(process.pid));
  }
}

/** Removes the groups of runs that have ended. A group with processes in it stays. */
export async function removeOldCgroups(): Promise<void> {
  const own = await ownGroup();
  const names = await readdir(own).catch(() => []);
  for (const name of names) if (name.startsWith(PREFIX)) await removeGroup(join(own, name));
}

async function removeGroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EBUSY" && error.code !== "ENOENT") throw error;
  });
}
