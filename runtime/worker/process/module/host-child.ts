/**
 * A Node process that runs the child host, and the two pipes to it. It waits for its job, or for the package whose jobs
 * will share it. Everything that comes from a child is untrusted: its length, rate and shape are checked here.
 */
import { z } from "zod";
import {
  type HostCommand,
  type HostReport,
  COMMANDS_DESCRIPTOR,
  HOST_FAILURE_CODES,
  REPORTS_DESCRIPTOR,
  TOKEN_SCOPE_MAX_LENGTH,
  TOKEN_SCOPES_MAX_COUNT,
} from "../host/messages.ts";
import { readPaced, splitLines } from "../log/captured-output.ts";
import { LaunchError, type LaunchedProcess, type Launcher } from "../os/launch.ts";
import {
  ANSWERS_MAX_BYTES,
  CONTROL_LINE_MAX_BYTES,
  CONTROL_WINDOW_BYTES,
  READ_WINDOW_MS,
  START_TIMEOUT_MS,
} from "../process-limits.ts";
import type { UserLease } from "../os/job-user.ts";

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
  /** Sets who gets its reports from now on. */
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
  const channel = openControlChannel(process, () => listener);
  const child: HostChild = { process, channel, listen: (next) => (listener = next) };
  try {
    await ready(child);
    return child;
  } catch (error) {
    await endHostChild(child);
    throw error;
  }
}

/** Ends a child that has served no job. */
export async function endHostChild({ process, channel }: HostChild): Promise<void> {
  await process.clear();
  channel.destroy();
  process.closePipes();
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

export interface ControlChannel {
  send(command: HostCommand): void;
  /** Nothing more will be reported. */
  readonly closed: Promise<void>;
  destroy(): void;
}

export interface ControlListener {
  readonly report: (report: HostReport) => void;
  /** The child does not keep to the protocol; nothing more is read from it. */
  readonly broken: (problem: string) => void;
}

const text = z.string();
/** Which job it is about, in a shared child. */
const id = z.int().exactOptional();
const reports = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["ready", "pong", "retire", "leaving"]) }),
  z.object({ type: z.literal("progress"), id, fraction: z.number().exactOptional(), text: text.exactOptional() }),
  z.object({ type: z.literal("log"), id, source: z.enum(["log", "err"]), text }),
  z.object({ type: z.literal("print"), id, source: z.enum(["out", "err"]), text }),
  z.object({
    type: z.literal("token"),
    id,
    request: z.int(),
    scopes: z.array(z.string().max(TOKEN_SCOPE_MAX_LENGTH)).max(TOKEN_SCOPES_MAX_COUNT),
  }),
  z.object({ type: z.literal("files"), id }),
  z.object({ type: z.literal("returned"), id, output: text.exactOptional(), stopping: z.boolean() }),
  z.object({
    type: z.literal("failed"),
    id,
    code: z.enum(HOST_FAILURE_CODES),
    message: text,
    stack: text.exactOptional(),
    retryable: z.boolean(),
    stopping: z.boolean(),
  }),
]);

/** `listener()` is called at every report, because the listener of a spare child changes when it is taken. */
function openControlChannel({ stdio }: LaunchedProcess, listener: () => ControlListener): ControlChannel {
  const incoming = stdio[REPORTS_DESCRIPTOR];
  const outgoing = stdio[COMMANDS_DESCRIPTOR];
  if (incoming === undefined || outgoing === undefined) {
    throw new TypeError("A child host needs pipes on descriptors 3 and 4.");
  }
  // A child that has closed its end is about to end or to be ended; that is noticed elsewhere.
  outgoing.on("error", () => undefined);

  let isBroken = false;
  function fail(problem: string): void {
    if (isBroken) return;
    isBroken = true;
    incoming?.destroy();
    listener().broken(problem);
  }

  const lines = splitLines(CONTROL_LINE_MAX_BYTES, (line, whole) => {
    if (isBroken) return;
    const report = whole ? parseReport(line) : undefined;
    if (report !== undefined) listener().report(report);
    else fail(whole ? "a message that is none" : `a message of more than ${CONTROL_LINE_MAX_BYTES} bytes`);
  });
  const pace = { windowMs: READ_WINDOW_MS, windowBytes: CONTROL_WINDOW_BYTES };

  return {
    send(command) {
      // It asks without an end and reads no answer: what waits for it must not fill the worker.
      if (command.type === "token" && outgoing.writableLength > ANSWERS_MAX_BYTES)
        fail("requests without reading answers");
      else outgoing.write(`${JSON.stringify(command)}\n`);
    },
    closed: readPaced(incoming, pace, (chunk) => lines.push(chunk)),
    destroy() {
      incoming.destroy();
      outgoing.destroy();
    },
  };
}

function parseReport(line: Buffer): HostReport | undefined {
  try {
    return reports.parse(JSON.parse(line.toString("utf8")));
  } catch {
    return undefined;
  }
}
