/** Runs one job of a package in this process: load, set up, run, and say how it ended. */
import { chdir, env } from "node:process";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import type { Job, JobContext, SetupContext } from "../../../job/index.ts";
import { mergeProgress, presentable } from "../progress.ts";
import { PROGRESS_INTERVAL_MS } from "../process-limits.ts";
import type { WorkerChannel } from "./channel.ts";
import { describeThrown } from "./failure.ts";
import { type FoundJob, findJob } from "./find-job.ts";
import type { EndReport, RunCommand } from "./messages.ts";
import { writeOutput } from "./output.ts";

type Ended = DistributiveOmit<EndReport, "stopping">;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A piece of a log line per message, so that no message grows beyond what the worker reads. */
const LOG_PIECE_LENGTH = 16 * 1024;

export interface RunOptions {
  readonly channel: WorkerChannel;
  readonly signal: AbortSignal;
  /** Told what the job is doing, for the case that it never ends doing it. */
  readonly onPhase: (phase: string) => void;
}

/** Never rejects. Progress and log have been passed on when it resolves. */
export async function runJob(command: RunCommand, { channel, signal, onPhase }: RunOptions): Promise<Ended> {
  // The child's own environment and directory, from the job it has been given; settings of a worker are none here.
  Object.assign(env, command.environment);
  chdir(command.workingPath);

  onPhase("loading");
  const log = (...values: readonly unknown[]): void => sendLog(channel, "log", format(...values));
  const progress = mergeProgress(PROGRESS_INTERVAL_MS, (report) => channel.report({ type: "progress", ...report }));
  const ended = await load(command).then(
    (loaded) => ("code" in loaded ? { type: "failed" as const, retryable: false, ...loaded } : run(loaded)),
    (error: unknown) => {
      const { message, detail } = describeThrown(error);
      sendLog(channel, "err", detail);
      return failed("EntryPointInvalid", `${command.file} could not be loaded: ${message}`, false);
    },
  );
  progress.flush();
  return ended;

  async function run({ found, setup }: Loaded): Promise<Ended> {
    try {
      onPhase("setup");
      const { packagePath, workingPath, outputPath } = command;
      const services = await setup?.({ packagePath, log });
      signal.throwIfAborted();
      onPhase("run");
      const context: JobContext = {
        packagePath,
        workingPath,
        outputPath,
        progress: (fraction: number | string, text?: string) => {
          const report = presentable(typeof fraction === "string" ? { text: fraction } : { fraction, text });
          if (report !== undefined) progress.report(report);
        },
        log,
        signal,
        services,
      };
      const written = writeOutput(await found.run(jobOf(command), context));
      if ("code" in written) return failed(written.code, written.message, false);
      return { type: "returned", ...(written.output === undefined ? {} : { output: written.output }) };
    } catch (error) {
      const { message, retryable, detail } = describeThrown(error);
      sendLog(channel, "err", detail);
      return failed("JobFailed", message, retryable);
    }
  }
}

const failed = (code: Extract<Ended, { type: "failed" }>["code"], message: string, retryable: boolean): Ended => ({
  type: "failed",
  code,
  message,
  retryable,
});

type SetupFunction = (context: SetupContext) => unknown;
type Loaded = Extract<FoundJob, { found: unknown }> & { readonly setup: SetupFunction | undefined };
type NotFound = Exclude<FoundJob, { found: unknown }>;

async function load(command: RunCommand): Promise<Loaded | NotFound> {
  const { file, packagePath, job } = command;
  const exports = await importModule(packagePath, file);
  const found = findJob(exports, { jobType: job.jobType, exportName: command.export, file });
  if ("code" in found) return found;
  const setup = exports["setup"];
  return { ...found, setup: typeof setup === "function" ? (setup as SetupFunction) : undefined };
}

const importModule = async (packagePath: string, file: string): Promise<Readonly<Record<string, unknown>>> =>
  (await import(new URL(file, `${pathToFileURL(packagePath).href}/`).href)) as Readonly<Record<string, unknown>>;

function jobOf({ job }: RunCommand): Job {
  const { jobId, batchId, tenantName, jobName, jobType, attempt, interruption, claimId } = job;
  const parameters: unknown = JSON.parse(job.parameters);
  return { jobId, batchId, tenantName, jobName, jobType, parameters, attempt, interruption, claimId };
}

function sendLog(channel: WorkerChannel, source: "log" | "err", text: string): void {
  for (const line of text.split("\n")) {
    for (let start = 0; start === 0 || start < line.length; start += LOG_PIECE_LENGTH) {
      channel.report({ type: "log", source, text: line.slice(start, start + LOG_PIECE_LENGTH) });
    }
  }
}
