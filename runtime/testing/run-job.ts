/**
 * Runs a job in this process, as a worker's child does: same checks of parameters and output, same rules for artifacts and
 * failures. Limits of time and memory, and a process of its own, need a worker: see `startJobyard` and `jobyard run`.
 */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ErrorCode } from "../core/errors.ts";
import type { Progress } from "../core/job/job.ts";
import { writeJson } from "../core/json.ts";
import { TIMEOUT_DEFAULT_MS } from "../core/limits.ts";
import { packagePathProblem } from "../core/package/package-path.ts";
import type { Job, JobCredential, JobDefinition, Setup, TimerFacts } from "../job-sdk/index.ts";
import { readExtraFiles } from "../package/build/contents.ts";
import { readPackageJson } from "../package/build/package-json.ts";
import { PackError, type PackProblem } from "../package/build/problem.ts";
import { keepLocally } from "../worker/output/keep-locally.ts";
import { endOf } from "../worker/process/end-of.ts";
import { stopReason } from "../worker/process/host/failure.ts";
import type { RunCommand } from "../worker/process/host/messages.ts";
import { type SetupFunction, runJob as runAsChild } from "../worker/process/host/run-job.ts";
import { createJobReports } from "../worker/process/module/job-reports.ts";
import { type Workspace, createWorkspaces } from "../worker/process/files/workspace.ts";
import type { ProcessResult } from "../worker/process/spec.ts";

/** The fields of `Job` have these values by default: attempt 1, interruption 0, ids and names that say `local`. */
export interface RunJobOptions extends Partial<Omit<Job, "parameters">> {
  /** As a submitter gives them: any JSON. Checked by the definition's own schema. Default: null. */
  readonly parameters?: unknown;
  /** For a timer, instead of parameters: the facts of its tick, or the parameters of a manual run. Default: started by hand, now. */
  readonly timer?:
    | Partial<
        Pick<TimerFacts, "trigger" | "scheduledAt" | "missedCount" | "firstMissedAt" | "lastMissedAt" | "parameters">
      >
    | undefined;
  /** The package's folder with its package.json. The job gets a copy of what `jobyard.files` lists. Default: no files. */
  readonly directory?: string | undefined;
  /** Files of the package by their relative paths, in addition to those of `directory` or in their place. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** The package's `setup`, which makes the services of the job. */
  readonly setup?: Setup | undefined;
  /** Services for the job, instead of those that `setup` makes. */
  readonly services?: unknown;
  /** Values of the package's settings and secrets, as `context.settings` has them. Defaults are not filled in. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** The job's `context.credential`. Default: one that gives no token and says so. */
  readonly credential?: JobCredential | undefined;
  /** Cancels the job when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each report of progress, when it is made. */
  readonly onProgress?: ((progress: Progress) => unknown) | undefined;
}

export interface JobRun<Kept = unknown> {
  /** `canceled`: the signal was aborted, and the job did not finish its work all the same. */
  readonly outcome: "succeeded" | "failed" | "canceled";
  /** As a submitter reads it: the output after JSON. Undefined if there is none. */
  readonly output: Kept | undefined;
  /** Undefined unless it failed. */
  readonly failure: JobRunFailure | undefined;
  /** All reports in order. A worker would merge frequent ones. */
  readonly progress: readonly Progress[];
  /** The lines of `context.log`. */
  readonly log: readonly string[];
  /** The kept files by their paths, sorted. Empty for a canceled job, as on a worker. */
  readonly artifacts: ReadonlyMap<string, Buffer>;
}

export interface JobRunFailure {
  readonly code: ErrorCode;
  readonly message: string;
  /** Whether the retry policy decides. False: the job has failed for good. */
  readonly retryable: boolean;
  /** What the job threw, with its stack. Undefined: it threw nothing. */
  readonly cause: unknown;
}

/**
 * Resolves when the job has ended, however it ended. Its folders are removed by then. Rejects for options that no submitter
 * or package could have: values that are not JSON, files that are not there.
 */
export async function runJob<Submitted, Kept>(
  definition: JobDefinition<Submitted, Kept>,
  options: RunJobOptions = {},
): Promise<JobRun<Kept>> {
  const root = await mkdtemp(join(tmpdir(), "jobyard-testing-"));
  try {
    const workspace = await createWorkspaces({ root }).create();
    await fillPackage(workspace.packagePath, options);
    // A declared output was checked by the job itself.
    return (await runIn(workspace, definition, options)) as JobRun<Kept>;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function runIn(workspace: Workspace, definition: JobDefinition, options: RunJobOptions): Promise<JobRun> {
  const progress: Progress[] = [];
  const log: string[] = [];
  const reports = createJobReports(
    {
      line: (source, line) => source === "log" && log.push(String(line)),
      progress: (report) => progress.push(report),
      alive: () => undefined,
      token: () => Promise.resolve({ refused: "A test asks its own credential." }),
    },
    () => undefined,
  );
  const stop = new AbortController();
  const cancel = (): void => stop.abort(stopReason("cancel"));
  if (options.signal?.aborted === true) cancel();
  options.signal?.addEventListener("abort", cancel, { once: true });

  let cause: unknown;
  const watched: JobDefinition = {
    ...definition,
    run: (job, context) =>
      definition.run(job, context).catch((error: unknown) => {
        cause = error;
        throw error;
      }),
  };
  const ended = await runAsChild(commandOf(definition, options, workspace), {
    report: (report) => reports.take(report),
    signal: stop.signal,
    credential: options.credential ?? NO_CREDENTIAL,
    onPhase: () => undefined,
    onFiles: () => undefined,
    load: () => Promise.resolve({ found: watched, setup: setupOf(options) }),
    setUp: async (setup, context) => {
      try {
        return await setup(context);
      } catch (error) {
        cause = error;
        throw error;
      }
    },
    merge: (onProgress) => ({
      report(report) {
        onProgress(report);
        options.onProgress?.(report);
      },
      flush: () => undefined,
    }),
  });
  const stopping = stop.signal.aborted;
  options.signal?.removeEventListener("abort", cancel);
  reports.take({ ...ended, stopping });

  const reported = reports.end();
  const facts = { spec: { timeoutMs: TIMEOUT_DEFAULT_MS }, killed: false, forced: false, exceeded: undefined };
  const conclusion = reported && { ...reported, reported: true };
  const result = endOf({ ...facts, stop: stopping ? "cancel" : undefined }, conclusion);
  return { ...(await keep(result, workspace, cause)), progress, log };
}

async function keep(
  ran: ProcessResult,
  workspace: Workspace,
  cause: unknown,
): Promise<Omit<JobRun, "progress" | "log">> {
  const files = new Map<string, Buffer>();
  const { result } = await keepLocally(ran, workspace, {
    async put(_jobId, _claimId, path, { bytes, read }) {
      files.set(path, await read(0, bytes));
    },
    signal: new AbortController().signal,
  });
  const artifacts = new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
  const none = { output: undefined, failure: undefined, artifacts };
  switch (result.kind) {
    case "succeeded": {
      const output: unknown = result.output === undefined ? undefined : JSON.parse(result.output);
      return { ...none, outcome: "succeeded", output };
    }
    case "failed": {
      const { code, message, retryable } = result;
      return { ...none, outcome: "failed", failure: { code, message, retryable, cause } };
    }
    case "canceled":
    case "killed":
    case "interrupted":
    case "not-started":
      return { ...none, outcome: "canceled" };
  }
}

const NO_CREDENTIAL: JobCredential = {
  getToken: () => Promise.reject(new Error("This test gives the job no credential. Pass one to runJob.")),
};

/** What a worker would send to its child. */
function commandOf(definition: JobDefinition, options: RunJobOptions, workspace: Workspace): RunCommand {
  const { packagePath, workingPath, outputPath } = workspace;
  const jobType = options.jobType ?? definition.jobType ?? "local";
  return {
    type: "run",
    id: 0,
    job: {
      jobId: options.jobId ?? "local",
      batchId: options.batchId ?? "local",
      tenantName: options.tenantName ?? "local",
      jobName: options.jobName ?? jobType,
      jobType,
      jobProcessorPackageName: "local",
      parameters: parametersOf(options),
      attempt: options.attempt ?? 1,
      interruption: options.interruption ?? 0,
      claimId: options.claimId ?? randomUUID(),
      workerId: options.workerId ?? "local",
      fence: options.fence,
    },
    file: "",
    ...{ packagePath, workingPath, outputPath },
    ...(options.settings !== undefined && { settings: options.settings }),
  };
}

/** JSON text, as it is submitted. */
function parametersOf({ parameters, timer }: RunJobOptions): string {
  if (timer === undefined) return writeJson(parameters) ?? "null";
  if (parameters !== undefined) throw new TypeError("Give either parameters, or timer.");
  return JSON.stringify({ trigger: "schedule", scheduledAt: new Date(), missedCount: 0, ...timer });
}

function setupOf({ setup, services }: RunJobOptions): SetupFunction | undefined {
  if (services === undefined) return setup;
  if (setup !== undefined) throw new TypeError("Give either setup, or services.");
  return () => services;
}

async function fillPackage(packagePath: string, { directory, files = {} }: RunJobOptions): Promise<void> {
  await mkdir(packagePath);
  const contents = Object.entries(files).map(([path, content]) => ({ path, content, executable: false }));
  const problems: PackProblem[] = [];
  const listed = directory === undefined ? [] : (await readPackageJson(directory)).files;
  const shipped = directory === undefined ? [] : await readExtraFiles(directory, listed, problems);
  if (problems.length > 0) throw new PackError(problems);
  for (const { path, content, executable } of [...shipped, ...contents]) {
    const problem = packagePathProblem(path);
    if (problem !== undefined) throw new TypeError(`The name ${JSON.stringify(path)} ${problem}.`);
    await mkdir(dirname(join(packagePath, path)), { recursive: true });
    await writeFile(join(packagePath, path), content, { mode: executable ? 0o755 : 0o644 });
  }
}
