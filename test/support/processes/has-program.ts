/** Whether this machine has a program; tests that need one that is missing are skipped by its name. */
import { spawnSync } from "node:child_process";

export const hasProgram = (name: string, ...args: readonly string[]): boolean =>
  spawnSync(name, args, { stdio: "ignore" }).status === 0;
