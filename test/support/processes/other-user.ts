/** A user besides the one that runs the tests, for what is to run as another. */
import { spawnSync } from "node:child_process";
import type { JobUser } from "../../../runtime/worker/process/os/job-user.ts";

/** Known to every Linux. */
export const OTHER_USER = "nobody";
const OTHER_ID = "65534";

/** Whether tests may become that user, and it may read and execute these files. */
export const canBecomeOther = (...files: readonly string[]): boolean =>
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  files.every(
    (file) => spawnSync("setpriv", ["--reuid", OTHER_ID, "--clear-groups", "--", "test", "-r", file]).status === 0,
  );

let last = 0;

/** Users that this machine knows by their numbers only, and that no other test has. */
export function freshUsers(count: number): { readonly users: readonly JobUser[]; readonly exclusive: true } {
  const first = FIRST_ID + (process.pid % 10_000) * IDS_PER_PROCESS + last;
  last += count;
  if (last > IDS_PER_PROCESS) throw new RangeError(`A test file has ${IDS_PER_PROCESS} users at most.`);
  const users = Array.from({ length: count }, (_, index) => ({ uid: first + index, gid: first }));
  return { users, exclusive: true };
}

/** Above those that systems give out. */
const FIRST_ID = 1_000_000;
const IDS_PER_PROCESS = 100;
