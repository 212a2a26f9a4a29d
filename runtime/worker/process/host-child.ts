/** A Node process that runs the child host and waits for the one job it will serve. */
import { type ControlChannel, type ControlListener, openControlChannel } from "./control-channel.ts";
import { type LaunchedProcess, LaunchError, type Launcher } from "./launch.ts";
import type { UserLease } from "./job-user.ts";
import { START_TIMEOUT_MS } from "./process-limits.ts";

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
