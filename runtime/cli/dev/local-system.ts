/**
 * The local system that `jobyard dev` works with: one that runs already, or one that it starts as a process of its own,
 * which ends with it. All calls to it go through the client.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import type { JobServiceClient } from "../../client/index.ts";
import type { InspectSettings } from "../../core/settings/worker-settings.ts";
import { DEMO_APPLICATION } from "../../local/identity/principals.ts";
import { DEFAULT_HOME, LAUNCHER } from "../../local/launcher.ts";
import { type Running, readRunning } from "../../local/running-file.ts";
import { localClient } from "../../local/stack.ts";
import { InterruptedError, UsageError } from "../exit-codes.ts";
import type { Surroundings } from "../terminal.ts";

export interface LocalSystem {
  readonly client: JobServiceClient;
  readonly running: Running;
  /** It ran before, and goes on to run. */
  readonly joined: boolean;
  /** Resolves if it ends, for whatever reason. */
  readonly ended: Promise<void>;
  /** Lets running jobs end, unless it was joined. */
  stop(): Promise<void>;
}

export interface LocalSystemOptions {
  /** Default: that of `npm start`. */
  readonly port?: number;
  readonly identityPort?: number;
  readonly inspect: InspectSettings | undefined;
}

/** A stack that was killed leaves its file behind, so its API is asked. */
const ANSWER_WITHIN_MS = 2_000;

/** Its programs tell on standard error how far they are. Throws UsageError, InterruptedError. */
export async function openLocalSystem(options: LocalSystemOptions, around: Surroundings): Promise<LocalSystem> {
  const home = resolve(around.env["JOBYARD_HOME"] ?? DEFAULT_HOME);
  const there = await readRunning(home);
  if (there !== undefined && (await answers(there))) return joinSystem(there, options);
  const child = launch(home, options, around);
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const stop = async (): Promise<void> => {
    // It may have ended by itself.
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await ended;
  };
  try {
    await ready(child, ended, around.signal);
    const running = await readRunning(home);
    if (running === undefined) throw new Error(`The local system in ${home} ended as soon as it had started.`);
    return { client: await localClient(running, DEMO_APPLICATION), running, joined: false, ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function joinSystem(running: Running, { inspect }: LocalSystemOptions): Promise<LocalSystem> {
  if (inspect !== undefined && running.inspectPort !== inspect.port) {
    throw new UsageError(
      `The local system at ${running.apiUrl} runs without a debugger at port ${inspect.port}. Stop it, and jobyard dev starts one.`,
    );
  }
  const client = await localClient(running, DEMO_APPLICATION);
  // Calls that fail tell that it has ended.
  return { client, running, joined: true, ended: new Promise(() => undefined), stop: () => Promise.resolve() };
}

async function answers({ apiUrl }: Running): Promise<boolean> {
  try {
    return (await fetch(`${apiUrl}/readyz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })).ok;
  } catch {
    return false;
  }
}

function launch(
  home: string,
  { port, identityPort, inspect }: LocalSystemOptions,
  { env }: Surroundings,
): ChildProcess {
  const args = ["local", "--dev", JSON.stringify({ inspect })];
  if (port !== undefined) args.push("--port", String(port));
  if (identityPort !== undefined) args.push("--identity-port", String(identityPort));
  return spawn(process.execPath, [LAUNCHER, ...args], {
    env: { ...env, JOBYARD_HOME: home },
    // Ctrl-C reaches this process only, which stops the other one.
    detached: true,
    // The channel closes with this process, however that ends, and the system stops then.
    stdio: ["ignore", 2, 2, "ipc"],
  });
}

async function ready(child: ChildProcess, ended: Promise<void>, signal: AbortSignal): Promise<void> {
  const interrupted = Promise.withResolvers<never>();
  const give = (): void => interrupted.reject(new InterruptedError());
  signal.addEventListener("abort", give, { once: true });
  try {
    signal.throwIfAborted();
    const isReady = new Promise<void>((done) => child.once("message", () => done()));
    const failed = ended.then(() => {
      throw new Error("The local system did not start.");
    });
    await Promise.race([isReady, failed, interrupted.promise]);
    failed.catch(() => undefined);
  } finally {
    signal.removeEventListener("abort", give);
  }
}
