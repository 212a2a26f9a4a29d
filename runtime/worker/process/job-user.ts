/**
 * The user that jobs run as, when that is another than the worker's: who it is, and how a process becomes it. Such a job
 * cannot read what is the worker's, nor stop, trace or impersonate it. Its worker needs the capabilities that
 * jobyard-worker.service names. How a job comes by its files: give-tree.ts.
 */
import { readFile } from "node:fs/promises";

export interface JobUser {
  readonly uid: number;
  readonly gid: number;
}

/** Users of a machine are here; what only a directory service knows is none of Jobyard's. */
const USERS_FILE = "/etc/passwd";

/** Throws Error when there is no such user, or when it may do everything. */
export async function findJobUser(name: string): Promise<JobUser> {
  if (process.platform !== "linux") throw new Error(`Jobs can run as another user (${name}) on Linux only.`);
  const lines = (await readFile(USERS_FILE, "utf8")).split("\n").map((line) => line.split(":"));
  const found = lines.find(([known]) => known === name);
  if (found === undefined) throw new Error(`There is no user ${name} for jobs to run as.`);
  const [uid, gid] = [Number(found[2]), Number(found[3])];
  if (uid === 0 || gid === 0) throw new Error(`Jobs must not run as ${name}: it may do everything.`);
  return { uid, gid };
}

/** What setpriv makes of a process: that user, in no further group, with no way to become more. */
export const becomeArguments = ({ uid, gid }: JobUser): readonly string[] => [
  ...["--reuid", String(uid), "--regid", String(gid), "--clear-groups"],
  ...["--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"],
];
