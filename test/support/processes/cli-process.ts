/** `jobyard` as a shell starts it: a process with a home folder of its own. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of standard output, as JSON. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a test knows what it asked for
  json<T>(): T;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** Ends it as Ctrl-C does. */
  readonly interrupt?: AbortSignal;
  readonly onError?: (chunk: string) => void;
}

export const LAUNCHER = join(import.meta.dirname, "../../../runtime/cli/jobyard.mjs");

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { env = {}, cwd, input = "", interrupt, onError } = options;
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  interrupt?.addEventListener("abort", () => child.kill("SIGINT"));
  if (onError) child.stderr.on("data", (chunk: Buffer) => onError(chunk.toString()));
  // A command that needs no input may have ended before it is written.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as above
  return { code, stdout, stderr, json: <T>() => JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as T };
}
