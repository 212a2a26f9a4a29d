/**
 * A control group for each machine, below this process's own: two systemds in one group would each believe that it is
 * theirs. Groups do not vanish with their processes, so the next run removes what a killed one left.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";
const PREFIX = "jobyard-rehearsal-";
/** Of this run. */
const RUN = randomUUID().slice(0, 8);

/** Where systemd keeps groups, by the mark of the line that names a process's own in /proc/self/cgroup. */
const HIERARCHIES: readonly { readonly folder: string; readonly mark: string; readonly sign: string }[] = [
  { folder: ROOT, mark: "0::", sign: "cgroup.controllers" },
  { folder: join(ROOT, "unified"), mark: "0::", sign: "cgroup.procs" },
  { folder: join(ROOT, "systemd"), mark: ":name=systemd:", sign: "cgroup.procs" },
];

/** The folders of this process's group: one, or two where systemd uses the old hierarchy beside the new. */
async function ownGroups(): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/cgroup", "utf8")).trim().split("\n");
  return HIERARCHIES.filter(({ folder, sign }) => existsSync(join(folder, sign))).map(({ folder, mark }) =>
    join(
      folder,
      lines
        .find((line) => line.includes(mark))
        ?.split(":")
        .at(2) ?? "/",
    ),
  );
}

/** A command that runs another in a group of that name. */
export async function inCgroup(name: string, command: readonly string[]): Promise<readonly string[]> {
  const groups = (await ownGroups()).map((own) => join(own, `${PREFIX}${RUN}-${name}`));
  for (const group of groups) await mkdir(group, { recursive: true });
  const enter = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"';
  return ["sh", "-c", enter, "sh", ...groups, "--", ...command];
}

/** Removes the groups of runs that have ended. A group with processes in it stays. */
export async function removeOldCgroups(): Promise<void> {
  for (const own of await ownGroups()) {
    const names = await readdir(own).catch(() => []);
    for (const name of names) if (name.startsWith(PREFIX)) await removeGroup(join(own, name));
  }
}

async function removeGroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  // Another run's machine lives in it, or another start removes it at this moment.
  await rmdir(folder).catch((error: unknown) => {
    if (!(error instanceof Error) || !/EBUSY|ENOENT/.test(error.message)) throw error;
  });
}
