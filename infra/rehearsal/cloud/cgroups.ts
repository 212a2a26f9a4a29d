/**
 * A control group for each machine, below this process's own. Two systemds in one group would conflict. Groups outlive
 * their processes, so the next run removes those of a killed one.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";
const PREFIX = "jobyard-rehearsal-";
/** Of this run. */
const RUN = randomUUID().slice(0, 8);

/** Where systemd keeps groups, by the mark of this process's line in /proc/self/cgroup. */
const HIERARCHIES: readonly { readonly folder: string; readonly mark: string; readonly sign: string }[] = [
  { folder: ROOT, mark: "0::", sign: "cgroup.controllers" },
  { folder: join(ROOT, "unified"), mark: "0::", sign: "cgroup.procs" },
  { folder: join(ROOT, "systemd"), mark: ":name=systemd:", sign: "cgroup.procs" },
];

/** The folders of this process's group: one, or two if systemd uses the old hierarchy next to the new one. */
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

/** Wraps a command so that it runs in a group of that name. */
export async function inCgroup(name: string, command: readonly string[]): Promise<readonly string[]> {
  const groups = (await ownGroups()).map((own) => join(own, `${PREFIX}${RUN}-${name}`));
  for (const group of groups) await mkdir(group, { recursive: true });
  const enter = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"';
  return ["sh", "-c", enter, "sh", ...groups, "--", ...command];
}

/** Removes the groups of runs that have ended. A group with processes stays. */
export async function removeOldCgroups(): Promise<void> {
  for (const own of await ownGroups()) {
    const names = await readdir(own).catch(() => []);
    for (const name of names) if (name.startsWith(PREFIX)) await removeGroup(join(own, name));
  }
}

async function removeGroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  // A machine of another run uses it, or another start is removing it.
  await rmdir(folder).catch((error: unknown) => {
    if (!(error instanceof Error) || !/EBUSY|ENOENT/.test(error.message)) throw error;
  });
}
