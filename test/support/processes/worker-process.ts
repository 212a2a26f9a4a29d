/** The real worker program as a child process, with the settings a test gives it. */
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";

export interface WorkerProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it says with its word "ready"; rejects with its output when it ends before. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals | null>;
  output(): string;
}

const LAUNCHER = join(import.meta.dirname, "../../../runtime/main/start.mjs");

export function startWorkerProcess(env: Readonly<Record<string, string>>): WorkerProcess {
  const child = fork(LAUNCHER, ["worker"], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal));
  });
  const ready = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
    child.once("message", (message) => resolve({ ...(message as object) }));
    void exited.then((how) => reject(new Error(`The worker ended with ${String(how)}:\n${output}`)));
  });
  // A test that does not wait for it looks at the exit.
  ready.catch(() => undefined);
  return {
    child,
    ready,
    exited,
    output: () => output,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
  };
}
