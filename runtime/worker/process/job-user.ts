/**
 * The user that jobs run as, when that is another than the worker's: who it is, how a process becomes it, and how it comes
 * by the files of an attempt. Such a job cannot read what is the worker's, nor stop, trace or impersonate it. Its worker
 * needs the capabilities that jobyard-worker.service names.
 */
import { lchown, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

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

/** What keeps the thread pool for files busy. */
const CHANGES_AT_ONCE = 32;

/**
 * Gives a directory and everything below to the user. Before the user has a process that knows it: afterwards a name
 * could lead elsewhere.
 */
export async function giveTree(path: string, user: JobUser): Promise<void> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const waiting = [path, ...entries.map((entry) => join(entry.parentPath, entry.name))].values();
  // All take from the same iterator.
  const change = async (): Promise<void> => {
    for (const each of waiting) await lchown(each, user.uid, user.gid);
  };
  await Promise.all(Array.from({ length: CHANGES_AT_ONCE }, change));
}
