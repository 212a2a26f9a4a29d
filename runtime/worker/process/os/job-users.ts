/**
 * Which job has which user. Where the machine has many (`name-*`), each is for one attempt, one spare process or one shared
 * process at a time. Then the kernel can end everything of a job: a process that has become the user kills all that this
 * user may kill, at once, however it hides. The user is free again when nothing of it runs and none of its files is left.
 *
 * | state    | meaning                                             | leaves by                                  |
 * |----------|-----------------------------------------------------|--------------------------------------------|
 * | emptying | at the start, and after the last `release`: its      | nothing runs → free; else closed           |
 * |          | processes are ended, its files in /tmp are removed   |                                            |
 * | free     | no job has it                                       | `take` → taken                             |
 * | taken    | its process runs, or its files are needed           | last `release` → emptying; `close` → closed |
 * | closed   | something of it cannot be ended: no job gets it     | the worker's next start                    |
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { messageOf } from "../../../core/errors.ts";
import { sleep, abortable } from "../../../core/sleep.ts";
import { becomeArguments, type JobUser, type JobUserChoice, type UserLease } from "./job-user.ts";
import { LaunchError } from "./launch.ts";
import { END_PATIENCE_MS, START_TIMEOUT_MS } from "../process-limits.ts";
import { processesOf } from "./proc-table.ts";
import { signal as sendSignal } from "./process-tree.ts";

export interface JobUsers {
  /** The only hold is the caller's. Throws LaunchError when none comes free in time, or the signal's reason. */
  take(signal?: AbortSignal): Promise<UserLease>;
  /** Resolves when no user is being emptied: at first, when nothing is left of an earlier worker's jobs. */
  settled(): Promise<void>;
}

export interface JobUsersDeps {
  /** Undefined: jobs run as the worker itself. */
  readonly choice: JobUserChoice | undefined;
  readonly searchPath: string;
  /** A caller waits for a user: an idle process may give its user back. */
  readonly onShort: () => void;
  /** A user is lost until the next start. */
  readonly onClosed: (why: string) => void;
}

/**
 * Run as the user. No fork slips through: the kernel signals all processes at once, and one that is about to die cannot
 * fork. `-O`: whose folder in /proc belongs to this user; this shell itself is one of them.
 */
const END = 'n=-1; for p in /proc/[0-9]*; do [ -O "$p" ] && n=$((n + 1)); done; kill -KILL -1; echo "$n"';
/**
 * Also what it left where every user may write, and in the kernel: shared memory, queues and semaphores of System V, which no
 * process has to hold. They may hold secrets, they use memory, and the next job has the same user.
 */
const TIDY = `kill -KILL -1; ipcrm --all; exec find /tmp /var/tmp /dev/shm /dev/mqueue -mindepth 1 -maxdepth 1 -user "$(id -u)" \\
  -exec chmod -R u+rwX {} + -exec rm -rf {} +`;
/** Users that are emptied at the same time when a worker starts. */
const SWEPT_AT_ONCE = 16;

const run = promisify(execFile);

export function createJobUsers({ choice, searchPath, onShort, onClosed }: JobUsersDeps): JobUsers {
  const { users, exclusive } = choice ?? { users: [undefined], exclusive: false };
  const free: (JobUser | undefined)[] = exclusive ? [] : [...users];
  const emptying = new Set<Promise<void>>();
  const waiting: ((user: JobUser | undefined) => void)[] = [];

  async function as({ uid, gid }: JobUser, script: string): Promise<string> {
    const args = [...becomeArguments({ uid, gid }), "--", "/bin/sh", "-c", script];
    return (await run("setpriv", args, { cwd: "/", env: { PATH: searchPath } })).stdout;
  }

  /** Throws Error when something goes on running, or when that is not known. */
  async function end(user: JobUser): Promise<number> {
    const deadline = performance.now() + END_PATIENCE_MS;
    let count: number | undefined;
    let problem = "";
    for (let pauseMs = 1; ; pauseMs *= 2) {
      // A machine without memory for another process has some again when the job's are gone.
      count ??= await as(user, END).then(Number, (error: unknown) => void (problem = messageOf(error)));
      const left = processesOf(user.uid);
      if (left.length === 0 && count !== undefined) return count;
      if (performance.now() > deadline) throw new Error(`processes ${left.join(", ")} do not end. ${problem}`);
      for (const pid of left) sendSignal(pid, "SIGKILL");
      await sleep(pauseMs);
    }
  }

  /** Makes a user as good as new and gives it on. */
  async function clean(user: JobUser): Promise<void> {
    // What belongs to others in between, or is gone already, is no error.
    await as(user, TIDY).catch(() => undefined);
    await end(user).then(
      () => give(user),
      (error: unknown) => onClosed(`No job gets user ${user.uid} any more: ${messageOf(error)}`),
    );
  }

  function track(work: Promise<void>): void {
    const tracked = work.finally(() => emptying.delete(tracked));
    emptying.add(tracked);
  }

  function give(user: JobUser | undefined): void {
    const next = waiting.shift();
    if (next === undefined) free.push(user);
    else next(user);
  }

  function leaseOf(user: JobUser | undefined): UserLease {
    if (user === undefined || !exclusive) return { ...SHARED, user };
    let holds = 1;
    let closed = false;
    const lease: UserLease = {
      user,
      exclusive,
      keep() {
        if (holds === 0) throw new Error("A user that was given back cannot be kept.");
        holds++;
      },
      release() {
        if (--holds > 0 || closed) return;
        track(clean(user));
      },
      close(why) {
        if (!closed) onClosed(`No job gets user ${user.uid} any more: ${why}`);
        closed = true;
      },
      empty: () =>
        end(user).catch((error: unknown) => {
          lease.close(messageOf(error));
          return 0;
        }),
    };
    return lease;
  }

  if (exclusive) {
    const unswept = users.values();
    const sweep = async (): Promise<void> => {
      for (const user of unswept) await clean(user);
    };
    for (let lane = 0; lane < SWEPT_AT_ONCE; lane++) track(sweep());
  }

  return {
    async take(signal) {
      if (!exclusive) return leaseOf(users[0]);
      const user = free.shift();
      if (user !== undefined) return leaseOf(user);
      const next = Promise.withResolvers<JobUser | undefined>();
      waiting.push(next.resolve);
      onShort();
      const time = AbortSignal.timeout(START_TIMEOUT_MS);
      try {
        return leaseOf(await abortable(next.promise, signal === undefined ? time : AbortSignal.any([time, signal])));
      } catch (error) {
        const index = waiting.indexOf(next.resolve);
        if (index >= 0) waiting.splice(index, 1);
        // It came in the same moment.
        else void next.promise.then(give);
        throw time.aborted ? new LaunchError("No user for the job came free.", { cause: error }) : error;
      }
    },
    async settled() {
      while (emptying.size > 0) await Promise.all(emptying);
    },
  };
}

/** For a user that many jobs share: it is never given back, and its processes cannot be assigned to a job. */
const SHARED: Omit<UserLease, "user"> = {
  exclusive: false,
  keep: () => undefined,
  release: () => undefined,
  close: () => undefined,
  empty: () => Promise.resolve(0),
};
