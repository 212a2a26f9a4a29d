/**
 * The program in a job's process. It is started before anybody knows which job it will run, waits for that one job, runs
 * it and ends. Its worker decides about everything else: time, memory, and its death.
 *
 * | state   | meaning                          | leaves by                                              |
 * |---------|----------------------------------|--------------------------------------------------------|
 * | spare   | started, has said "ready"        | command "run" → running                                 |
 * | running | user code is loaded and runs     | its end, an error nobody caught, nothing left to wait for → ended |
 * | ended   | the end was reported             | exit                                                   |
 *
 * In every state the loss of the channel means that the worker is gone: the process ends at once.
 */
import { getEventListeners } from "node:events";
import { openWorkerChannel } from "./channel.ts";
import { describeThrown } from "./failure.ts";
import type { EndReport, HostCommand } from "./messages.ts";
import { runJob } from "./run-job.ts";

type Ended = Awaited<ReturnType<typeof runJob>>;

const STOP_MESSAGES = {
  cancel: "The job was canceled.",
  drain: "The worker shuts down; the job will run again elsewhere.",
  timeout: "The job has run longer than it may.",
} as const;

const exit = process.exit.bind(process);
const stop = new AbortController();
let phase: string | undefined;
let hasEnded = false;

printAtOnce(process.stdout);
printAtOnce(process.stderr);
const channel = openWorkerChannel(onCommand);
process.on("uncaughtException", onUncaught);
process.on("beforeExit", onNothingLeft);
channel.report({ type: "ready" });

function onCommand(command: HostCommand): void {
  if (command.type === "stop") {
    stop.abort(new DOMException(STOP_MESSAGES[command.reason], "AbortError"));
  } else if (phase === undefined) {
    // From here on the job's own work keeps the process alive.
    channel.keepAlive(false);
    void runJob(command, { channel, signal: stop.signal, onPhase: (now) => (phase = now) }).then(end);
  }
}

function end(ended: Ended): void {
  if (hasEnded) return;
  hasEnded = true;
  const report: EndReport = { ...ended, stopping: stop.signal.aborted };
  channel.report(report);
  exit(0);
}

/** Also an unhandled rejection. The job may have lost its thread: it has failed, whatever else it still does. */
function onUncaught(error: unknown): void {
  const { message, retryable, detail } = describeThrown(error);
  process.stderr.write(`${detail}\n`);
  const failure = { type: "failed", message, retryable } as const;
  end(
    phase === "loading"
      ? {
          ...failure,
          code: "EntryPointInvalid",
          message: `The package could not be loaded: ${message}`,
          retryable: false,
        }
      : { ...failure, code: "JobFailed" },
  );
}

/** The event loop is empty and the job has not ended, so it never will, unless it waits for the abort signal. */
function onNothingLeft(): void {
  if (phase === undefined || hasEnded) return;
  if (getEventListeners(stop.signal, "abort").length > 0) {
    channel.keepAlive(true);
    return;
  }
  const message = "waits for something that can no longer happen (a promise that nobody will settle).";
  end(
    phase === "loading"
      ? { type: "failed", code: "EntryPointInvalid", message: `The package's module ${message}`, retryable: false }
      : { type: "failed", code: "JobFailed", message: `The job's ${phase} ${message}`, retryable: true },
  );
}

/** What is printed is on its way before the next line runs, so that a crash or an exit loses none of it. */
function printAtOnce(stream: NodeJS.WriteStream): void {
  (stream as { _handle?: { setBlocking?: (blocking: boolean) => void } })._handle?.setBlocking?.(true);
}
