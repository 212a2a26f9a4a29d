/** A Node process that runs the child host and waits for the one job it will serve. */
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ControlChannel, type ControlListener, openControlChannel } from "./control-channel.ts";
import { LaunchError, type LaunchedProcess, type Launcher } from "./launch.ts";
import { START_TIMEOUT_MS } from "./process-limits.ts";
import type { UserLease } from "./users/job-user.ts";

export interface HostChildConfig {
  /** The program: `host/main.ts`, or its bundle. */
  readonly hostEntry: string;
  readonly nodePath: string;
  readonly nodeArgs: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface HostChild {
  readonly process: LaunchedProcess;
  readonly channel: ControlChannel;
  /** Who hears its reports from now on. */
  readonly listen: (listener: ControlListener) => void;
}

/** Resolves when the child is ready. Throws LaunchError; nothing of the child is left then. */
export async function startHostChild(
  launcher: Launcher,
  lease: UserLease,
  config: HostChildConfig,
): Promise<HostChild> {
  const process = await launcher.launch({
    file: config.nodePath,
    args: [...config.nodeArgs, config.hostEntry],
    // Spares outlive the directories of any attempt.
    cwd: "/",
    environment: config.environment,
    extraPipes: 2,
    lease,
  });
  let listener: ControlListener = { report: () => undefined, broken: () => undefined };
  const channel = openControlChannel(process.child, () => listener);
  const child: HostChild = { process, channel, listen: (next) => (listener = next) };
  try {
    await ready(child);
    return child;
  } catch (error) {
    await endHostChild(child);
    throw error;
  }
}

/** Ends a child that has served nobody. */
export async function endHostChild({ process, channel }: HostChild): Promise<void> {
  await process.clear();
  channel.destroy();
  process.child.stdout?.destroy();
  process.child.stderr?.destroy();
}

function ready({ process, listen }: HostChild): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new LaunchError(`The process for a job ${why}.`));
    };
    const timer = setTimeout(() => fail(`was not ready after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    void process.exit.then(({ code, signal }) => fail(`ended at once (${signal ?? `exit code ${code}`})`));
    listen({
      report: () => {
        clearTimeout(timer);
        resolve();
      },
      broken: (problem) => fail(`sent ${problem}`),
    });
  });
}

// The child host as one JavaScript file: a child that has to strip types from the host first starts three times as
// slowly. A release ships the file beside the worker; whoever runs from source has it made at the start. It is CommonJS,
// because Node starts that with a seventh less work than a module, which is most of what a job of its own process costs.

/** Its name tells Node that it is CommonJS. */
const HOST_FILE = "host.cjs";
/** Beside the bundled worker. */
const SHIPPED = join(import.meta.dirname, HOST_FILE);

/** The shipped file, or else one made from source in the directory. */
export const hostFile = (directory: string): Promise<string> =>
  existsSync(SHIPPED) ? Promise.resolve(SHIPPED) : bundleHost(directory);

/** Creates or replaces the file in a directory that exists; it is complete at every moment. Resolves to its path. */
export async function bundleHost(directory: string): Promise<string> {
  // Not imported above, so that a worker with a finished bundle does without the bundler.
  const { buildSync } = await import("esbuild");
  const file = join(directory, HOST_FILE);
  const half = `${file}.${process.pid}.cjs`;
  // Synchronous, because that leaves no process of the bundler behind.
  buildSync({
    entryPoints: [fileURLToPath(new URL("host/main.ts", import.meta.url))],
    outfile: half,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    logLevel: "error",
  });
  await rename(half, file);
  return file;
}
