/** Runs one job of a package in this process: load, set up, run, and report how it ended. */
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import type { Progress } from "../../../core/job/job.ts";
import type { Job, JobContext, JobCredential, SetupContext } from "../../../job-sdk/index.ts";
import { PROGRESS_INTERVAL_MS } from "../process-limits.ts";
import { type ProgressMerger, mergeProgress, presentable } from "../progress.ts";
import { piecesOf } from "./channel.ts";
import { type JobPhase, describeThrown, failedWith } from "./failure.ts";
import { type FoundDefinition, findDefinition } from "./find-definition.ts";
import { waitForDebugger } from "./inspect.ts";
import type { HostEnd, JobReport, RunCommand } from "./messages.ts";
import type { SourceLines } from "./source-lines.ts";
import { writeOutput } from "./write-output.ts";

export type SetupFunction = (context: SetupContext) => unknown;

export interface RunOptions {
  readonly report: (report: JobReport) => void;
  readonly signal: AbortSignal;
  /** Default: stacks are shown as they are. */
  readonly sources?: SourceLines | undefined;
  readonly credential: JobCredential;
  readonly onPhase: (phase: JobPhase) => void;
  /** Called whenever the job asks for one of its directories. */
  readonly onFiles: () => void;
  /** Makes the services of the package, or gives those that are made already. */
  readonly setUp: (setup: SetupFunction, context: SetupContext) => unknown;
  /** Finds the definition and the setup of the package. Default: imports the package's module. */
  readonly load?: (command: RunCommand) => Promise<Loaded | NotFound>;
  /** Default: the latest report at most once per PROGRESS_INTERVAL_MS. */
  readonly merge?: (onProgress: (progress: Progress) => void) => ProgressMerger;
}

/** Never rejects. Progress and log have been passed on when it resolves. */
export async function runJob(
  command: RunCommand,
  { report, signal, sources, credential, onPhase, onFiles, setUp, load = loadModule, merge = atIntervals }: RunOptions,
): Promise<HostEnd> {
  onPhase("loading");
  const log = (...values: readonly unknown[]): void => sendLog(report, "log", format(...values));
  const progress = merge((latest) => report({ type: "progress", ...latest }));
  const ended = await load(command).then(
    (loaded) => ("code" in loaded ? { type: "failed" as const, retryable: false, ...loaded } : run(loaded)),
    (error: unknown) => {
      const { detail, ...failure } = describeThrown(error, sources);
      sendLog(report, "err", detail);
      const message = `${command.file} could not be loaded: ${failure.message}`;
      return failedWith("EntryPointInvalid", { ...failure, message, retryable: false });
    },
  );
  progress.flush();
  return ended;

  async function run({ found, setup }: Loaded): Promise<HostEnd> {
    try {
      onPhase("setup");
      const { packagePath } = command;
      const settings = Object.freeze({ ...command.settings });
      const services = setup === undefined ? undefined : await setUp(setup, { packagePath, settings, log });
      signal.throwIfAborted();
      onPhase("run");
      const context: JobContext = {
        packagePath,
        get workingPath() {
          onFiles();
          return command.workingPath;
        },
        get outputPath() {
          onFiles();
          return command.outputPath;
        },
        progress: (fraction: number | string, text?: string) => {
          const reported = presentable(typeof fraction === "string" ? { text: fraction } : { fraction, text });
          if (reported !== undefined) progress.report(reported);
        },
        log,
        signal,
        trace: command.job.trace,
        settings,
        credential,
        services,
      };
      const written = writeOutput(await found.run(jobOf(command), context));
      if ("code" in written) return { type: "failed", ...written, retryable: false };
      return { type: "returned", ...(written.output === undefined ? {} : { output: written.output }) };
    } catch (error) {
      const { detail, ...failure } = describeThrown(error, sources);
      sendLog(report, "err", detail);
      return failedWith("JobFailed", failure);
    }
  }
}

const atIntervals: NonNullable<RunOptions["merge"]> = (onProgress) => mergeProgress(PROGRESS_INTERVAL_MS, onProgress);

type Loaded = Extract<FoundDefinition, { found: unknown }> & { readonly setup: SetupFunction | undefined };
type NotFound = Exclude<FoundDefinition, { found: unknown }>;

async function loadModule(command: RunCommand): Promise<Loaded | NotFound> {
  const { file, packagePath, job } = command;
  if (command.inspect !== undefined) waitForDebugger(command.inspect, packagePath);
  const exports = await importModule(packagePath, file);
  const found = findDefinition(exports, { jobType: job.jobType, exportName: command.export, file });
  if ("code" in found) return found;
  const setup = exports["setup"];
  return { ...found, setup: typeof setup === "function" ? (setup as SetupFunction) : undefined };
}

const importModule = async (packagePath: string, file: string): Promise<Readonly<Record<string, unknown>>> =>
  (await import(new URL(file, `${pathToFileURL(packagePath).href}/`).href)) as Readonly<Record<string, unknown>>;

function jobOf({ job }: RunCommand): Job {
  const { jobId, batchId, tenantName, jobName, jobType, attempt, interruption, claimId, workerId, fence } = job;
  const parameters: unknown = JSON.parse(job.parameters);
  return { jobId, batchId, tenantName, jobName, jobType, parameters, attempt, interruption, claimId, workerId, fence };
}

function sendLog(report: RunOptions["report"], source: "log" | "err", text: string): void {
  for (const line of text.split("\n")) {
    for (const piece of piecesOf(line)) report({ type: "log", source, text: piece });
  }
}
