/**
 * One job in a process of its own: runs it, reports how it ended, and ends the process.
 *
 * | state   | meaning                      | leaves by                                                         |
 * |---------|------------------------------|-------------------------------------------------------------------|
 * | waiting | no job yet                   | command "run" → running                                           |
 * | running | user code is loaded and runs | its end, an uncaught error, nothing left to wait for → ended     |
 * | ended   | the end was reported         | exit                                                              |
 */
import { getEventListeners } from "node:events";
import { chdir, env } from "node:process";
import { setImmediate } from "node:timers";
import type { WorkerChannel } from "./channel.ts";
import { type JobPhase, stopReason, uncaughtEnd } from "./failure.ts";
import type { HostCommand, HostEnd } from "./messages.ts";
import { runJob } from "./run-job.ts";

const exit = process.exit.bind(process);

export function prepareSingleJob(channel: WorkerChannel): (command: HostCommand) => void {
  const stop = new AbortController();
  let phase: JobPhase | undefined;
  let hasEnded = false;

  process.on("uncaughtException", onUncaught);
  process.on("beforeExit", onNothingLeft);
  return (command) => {
    if (command.type === "stop") {
      stop.abort(stopReason(command.reason));
    } else if (command.type === "run" && phase === undefined) {
      phase = "loading";
      // From here on the job's own work keeps the process alive.
      channel.keepAlive(false);
      // The child's own environment and directory, from the job it has been given; settings of a worker are none here.
      Object.assign(env, command.environment);
      chdir(command.workingPath);
      void runJob(command, {
        report: (report) => channel.report(report),
        signal: stop.signal,
        onPhase: (now) => (phase = now),
        onFiles: () => undefined,
        setUp: (setup, context) => setup(context),
      }).then((ended) => {
        // Node reports a rejection from before the return only after the promises that are settled already.
        if (ended.type === "returned") setImmediate(end, ended);
        else end(ended);
      });
    }
  };

  function end(ended: HostEnd): void {
    if (hasEnded) return;
    hasEnded = true;
    channel.report({ ...ended, stopping: stop.signal.aborted });
    exit(0);
  }

  /** Also an unhandled rejection. The state of the job is unknown, so it has failed, whatever else it still does. */
  function onUncaught(error: unknown): void {
    const { end: ended, detail } = uncaughtEnd(error, phase);
    process.stderr.write(`${detail}\n`);
    end(ended);
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
}
