/** Runs one job of a package in this process: load, set up, run, and report how it ended. */
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { writeJson } from "../../../core/json.ts";
import { OUTPUT_MAX_BYTES } from "../../../core/limits.ts";
import {
  type Job,
  type JobContext,
  type JobDefinition,
  type SetupContext,
  isJobDefinition,
} from "../../../job-sdk/index.ts";
import { PROGRESS_INTERVAL_MS } from "../process-limits.ts";
import { mergeProgress, presentable } from "../progress.ts";
import { piecesOf } from "./channel.ts";
import { type JobPhase, describeThrown } from "./failure.ts";
import type { HostEnd, HostFailureCode, JobReport, RunCommand } from "./messages.ts";

export type SetupFunction = (context: SetupContext) => unknown;

export interface RunOptions {
  readonly report: (report: JobReport) => void;
  readonly signal: AbortSignal;
  readonly onPhase: (phase: JobPhase) => void;
  /** Makes the services of the package, or gives those that are made already. */
  readonly setUp: (setup: SetupFunction, context: SetupContext) => unknown;
}

/** Never rejects. Progress and log have been passed on when it resolves. */
export async function runJob(command: RunCommand, { report, signal, onPhase, setUp }: RunOptions): Promise<HostEnd> {
  onPhase("loading");
  const log = (...values: readonly unknown[]): void => sendLog(report, "log", format(...values));
  const progress = mergeProgress(PROGRESS_INTERVAL_MS, (latest) => report({ type: "progress", ...latest }));
  const ended = await load(command).then(
    (loaded) => ("code" in loaded ? { type: "failed" as const, retryable: false, ...loaded } : run(loaded)),
    (error: unknown) => {
      const { message, detail } = describeThrown(error);
      sendLog(report, "err", detail);
      return failed("EntryPointInvalid", `${command.file} could not be loaded: ${message}`, false);
    },
  );
  progress.flush();
  return ended;

  async function run({ found, setup }: Loaded): Promise<HostEnd> {
    try {
      onPhase("setup");
      const { packagePath, workingPath, outputPath } = command;
      const services = setup === undefined ? undefined : await setUp(setup, { packagePath, log });
      signal.throwIfAborted();
      onPhase("run");
      const context: JobContext = {
        packagePath,
        workingPath,
        outputPath,
        progress: (fraction: number | string, text?: string) => {
          const reported = presentable(typeof fraction === "string" ? { text: fraction } : { fraction, text });
          if (reported !== undefined) progress.report(reported);
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
      sendLog(report, "err", detail);
      return failed("JobFailed", message, retryable);
    }
  }
}

const failed = (code: Extract<HostEnd, { type: "failed" }>["code"], message: string, retryable: boolean): HostEnd => ({
  type: "failed",
  code,
  message,
  retryable,
});

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
  const { jobId, batchId, tenantName, jobName, jobType, attempt, interruption, claimId, workerId, fence } = job;
  const parameters: unknown = JSON.parse(job.parameters);
  return { jobId, batchId, tenantName, jobName, jobType, parameters, attempt, interruption, claimId, workerId, fence };
}

function sendLog(report: RunOptions["report"], source: "log" | "err", text: string): void {
  for (const line of text.split("\n")) {
    for (const piece of piecesOf(line)) report({ type: "log", source, text: piece });
  }
}

export type FoundJob =
  | { readonly found: JobDefinition }
  | { readonly code: "EntryPointInvalid" | "JobTypeUnknown"; readonly message: string };

/** Finds the declaration of a job type among a module's exports. `exportName` undefined: any export may declare it. */
function findJob(
  exports: Readonly<Record<string, unknown>>,
  { jobType, exportName, file }: { jobType: string; exportName: string | undefined; file: string },
): FoundJob {
  const candidates = exportName === undefined ? Object.values(exports) : [exports[exportName]];
  const definitions = candidates.filter(isJobDefinition);
  const found =
    definitions.find((definition) => definition.jobType === jobType) ??
    // A timer without a name of its own is what the manifest says of its export.
    (exportName === undefined ? undefined : definitions.find((definition) => definition.jobType === undefined));
  if (found !== undefined) return { found };
  if (definitions.length > 0) {
    const types = definitions.map((definition) => definition.jobType ?? "(a timer without a name)");
    const known = [...new Set(types)].sort().join(", ");
    return { code: "JobTypeUnknown", message: `${file} declares no job type "${jobType}", only: ${known}.` };
  }
  const where = exportName === undefined ? "" : ` as "${exportName}"`;
  return {
    code: "EntryPointInvalid",
    message: `${file} exports nothing made by defineJob or scalableTimerJob${where}.`,
  };
}

export type WrittenOutput =
  { readonly output: string | undefined } | { readonly code: HostFailureCode; readonly message: string };

/**
 * Turns what `run` returned into the JSON text that is kept: nothing, or an object with or without `output`. Values that
 * JSON would lose are refused.
 */
function writeOutput(result: unknown): WrittenOutput {
  let output: string | undefined;
  try {
    const stray = strayIn(result);
    if (stray !== undefined) {
      return { code: "JobFailed", message: `run returned ${stray}; a result is returned as { output: … }.` };
    }
    output = writeJson((result as { readonly output?: unknown } | null | undefined)?.output);
  } catch (error) {
    return { code: "JobFailed", message: `The output ${error instanceof Error ? error.message : "cannot be read"}.` };
  }
  const bytes = Buffer.byteLength(output ?? "");
  if (bytes > OUTPUT_MAX_BYTES) {
    return {
      code: "OutputTooLarge",
      message: `The output is ${bytes} bytes of JSON; at most ${OUTPUT_MAX_BYTES} are kept. Write large results to files below outputPath.`,
    };
  }
  return { output };
}

const FIELDS_SHOWN = 5;

/** What was returned that would be lost; undefined if it is a result. */
function strayIn(result: unknown): string | undefined {
  if (result === undefined || result === null) return undefined;
  if (typeof result !== "object") return `a ${typeof result}`;
  if (Array.isArray(result)) return "a list";
  const others = Object.keys(result).filter((name) => name !== "output");
  if (others.length > 0) {
    const shown = others.slice(0, FIELDS_SHOWN).map((name) => JSON.stringify(name));
    return `an object with ${shown.join(", ")}${others.length > FIELDS_SHOWN ? " and more" : ""}`;
  }
  // A Map, a Date and an Error have no fields of their own either.
  const kind = Object.prototype.toString.call(result).slice("[object ".length, -1);
  return kind === "Object" ? undefined : `a value of type ${kind}`;
}
