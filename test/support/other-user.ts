/** A user besides the one that runs the tests, for what is to run as another. */
import { spawnSync } from "node:child_process";

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
