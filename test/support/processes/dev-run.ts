/** `jobyard dev` as a terminal starts it, with keys that a test presses. */
import { spawn } from "node:child_process";
import { LAUNCHER } from "./cli-process.ts";

/** Longer than any wait on a busy machine. */
const SAYS_WITHIN_MS = 90_000;

export interface DevRun extends AsyncDisposable {
  readonly pid: number;
  /** All it has told so far, on both streams. */
  readonly output: () => string;
  /** Resolves as soon as it tells this after the last thing that was waited for; rejects when it ends first or takes too long. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  press(key: string): void;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the exit code. */
  readonly exited: Promise<number | null>;
}

/** `launcher`: the file of the command `jobyard`. */
export function startDev(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  launcher = LAUNCHER,
): DevRun {
  const child = spawn(process.execPath, [launcher, "dev", ...args], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", NO_COLOR: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A test that ran out of time never comes to dispose of it.
  const killWithParent = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithParent);
  let output = "";
  let seen = 0;
  const listeners = new Set<() => void>();
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
    for (const listener of listeners) listener();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  void exited.then(() => process.off("exit", killWithParent));
  return {
    pid: child.pid ?? 0,
    output: () => output,
    exited,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          reject(new Error(`It did not say ${String(pattern)} in time:\n${output.slice(seen)}`));
        }, SAYS_WITHIN_MS);
        const look = (): void => {
          const match = pattern.exec(output.slice(seen));
          if (match === null) return;
          clearTimeout(late);
          listeners.delete(look);
          seen += match.index + match[0].length;
          resolve(match);
        };
        listeners.add(look);
        void exited.then((code) => {
          reject(new Error(`It ended with ${String(code)} before it said ${String(pattern)}:\n${output}`));
        });
        look();
      }),
    press: (key) => void child.stdin.write(`${key}\n`),
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
