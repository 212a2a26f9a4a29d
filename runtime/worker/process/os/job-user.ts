/**
 * The users that jobs run as, when those are others than the worker's: who they are, and how a process becomes one. Such a
 * job cannot read what is the worker's, nor stop, trace or impersonate it. Its worker needs the capabilities that
 * jobyard-worker.service names. How a job gets its files: files/workspace.ts.
 */
import { readFile } from "node:fs/promises";

export interface JobUser {
  readonly uid: number;
  readonly gid: number;
}

/** The users that a machine has for jobs. */
export interface JobUserChoice {
  readonly users: readonly JobUser[];
  /** Each is for one job at a time, so that ending all its processes ends that job and nothing else. */
  readonly exclusive: boolean;
}

/** A user while a job has it; `job-users.ts` gives and takes it. */
export interface UserLease {
  /** Undefined: the worker's own. */
  readonly user: JobUser | undefined;
  /** Whether one job alone has the user. */
  readonly exclusive: boolean;
  /** One more has processes or files of it. */
  keep(): void;
  /** One fewer. After the last the user is free for others. */
  release(): void;
  /** Something of it cannot be removed: no other job gets the user. */
  close(why: string): void;
  /** Ends all processes of an exclusive user; resolves when none runs, to how many there were. */
  empty(): Promise<number>;
}

/** Users of a machine are here; what only a directory service knows is none of Jobyard's. */
const USERS_FILE = "/etc/passwd";
/** Ends a name that stands for many users: `name-*` is `name-1`, `name-2` and so on, whatever the machine has. */
const MANY = "*";

/** The user of that name, or all that `name-*` stands for. Throws Error when there is none, or one may do everything or is the worker. */
export async function findJobUsers(name: string): Promise<JobUserChoice> {
  if (process.platform !== "linux") throw new Error(`Jobs can run as another user (${name}) on Linux only.`);
  const exclusive = name.endsWith(MANY);
  const prefix = exclusive ? name.slice(0, -MANY.length) : name;
  const isWanted = (known: string): boolean =>
    exclusive ? known.startsWith(prefix) && /^[1-9]\d*$/.test(known.slice(prefix.length)) : known === name;
  const lines = (await readFile(USERS_FILE, "utf8")).split("\n").map((line) => line.split(":"));
  const users = lines
    .filter(([known = ""]) => isWanted(known))
    .map(([, , uid, gid]) => ({ uid: Number(uid), gid: Number(gid) }));
  if (users.length === 0) throw new Error(`There is no user ${name} for jobs to run as.`);
  if (users.some(({ uid, gid }) => uid === 0 || gid === 0)) {
    throw new Error(`Jobs must not run as ${name}: it may do everything.`);
  }
  if (users.some(({ uid }) => uid === process.getuid?.())) {
    throw new Error(`Jobs must not run as ${name}: the worker does.`);
  }
  if (new Set(users.map(({ uid }) => uid)).size < users.length) {
    throw new Error(`Two of the users ${name} are the same by their number.`);
  }
  return { users, exclusive };
}

/** What setpriv makes of a process: that user, in no further group, with no way to become more. */
export const becomeArguments = ({ uid, gid }: JobUser): readonly string[] => [
  ...["--reuid", String(uid), "--regid", String(gid), "--clear-groups"],
  ...["--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"],
];
