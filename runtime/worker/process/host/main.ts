/**
 * The program in a job's process. It starts before it is known what it will run. Its first command says whether it serves
 * one job and ends, or jobs of one package that share it. Its worker decides about everything else: time, memory and end.
 *
 * | state  | meaning                     | leaves by                                                            |
 * |--------|-----------------------------|----------------------------------------------------------------------|
 * | spare  | started, reported "ready"   | command "run" → single-job.ts, command "share" → shared-jobs.ts       |
 *
 * With an argument it is another program, which starts such processes: serve-spawns.ts.
 *
 * In every state the loss of the channel means that the worker is gone: the process ends at once.
 */
import { openWorkerChannel } from "./channel.ts";
import type { HostCommand } from "./messages.ts";
import { SPAWNER_ARGUMENT, serveSpawns } from "./serve-spawns.ts";
import { prepareSharedJobs } from "./shared-jobs.ts";
import { prepareSingleJob } from "./single-job.ts";

type Serve = (command: HostCommand) => void;

function serveJobs(): void {
  let serve: Serve | undefined;
  printAtOnce(process.stdout);
  printAtOnce(process.stderr);
  // Both are ready before user code is loaded, so that nothing it replaces can disturb them.
  const channel = openWorkerChannel((command) => {
    serve ??= command.type === "share" ? prepareSharedJobs(channel, command) : prepareSingleJob(channel);
    serve(command);
  });
  channel.report({ type: "ready" });
}

/** Output is written before the next line runs, so that a crash or an exit loses none of it. */
function printAtOnce(stream: NodeJS.WriteStream): void {
  (stream as { _handle?: { setBlocking?: (blocking: boolean) => void } })._handle?.setBlocking?.(true);
}

if (process.argv[2] === SPAWNER_ARGUMENT) serveSpawns();
else serveJobs();
