/**
 * Runs a claimed job: package, workspace, process, log and artifacts. It ends in a result that may be written to the
 * row, or in `lost`: then nothing of the attempt runs any more and nothing may be written or settled.
 */
import { isSystemError, UnreadableError, type ErrorCode } from "../../core/errors.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import type { Progress } from "../../core/job/job.ts";
import { REUSE_ALONE_AFTER_INTERRUPTIONS, TIMEOUT_DEFAULT_MS } from "../../core/limits.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import { retryPolicyOf, type RetryPolicy } from "../../core/job/retry.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { eventJobOf, type Claimed } from "./claim.ts";
import type { OwnedRow } from "./owned-row.ts";
import { type PackageCache, preparePackage } from "../package-cache/package-cache.ts";
import { type CollectDeps, collect, collectAfterFailure, withHint } from "../output/collect.ts";
import { type LogContext, noteInLog, shipLog } from "../output/job-log.ts";
import { type Interruption, interruptionOf, WorkerFault } from "./machine-fault.ts";
import { retryWhileLocked } from "./retry-while-locked.ts";
import type { JobProcesses } from "../process/job-processes.ts";
import type { JobFacts, JobProcess, JobProcessSpec, ProcessResult } from "../process/spec.ts";
import { openWorkspace, removeWorkspace, type Workspace, type Workspaces } from "../process/files/workspace.ts";
import { failSpan, inSpan, startSpan, traceparentOf } from "../../telemetry/trace.ts";
import type { JobSettings } from "../settings/job-settings.ts";
import type { TokenBroker } from "../identity/token-broker.ts";
import { followProgress } from "./progress.ts";

export interface ExecutionDeps extends CollectDeps {
  readonly packages: Pick<PackageCache, "acquire">;
  readonly workspaces: Pick<Workspaces, "create">;
  readonly processes: Pick<JobProcesses, "start"> & Partial<Pick<JobProcesses, "inspects">>;
  readonly settings: JobSettings;
  readonly tokens: TokenBroker;
  readonly files: CollectDeps["files"] & Pick<JobFiles, "getParameters">;
  readonly events: JobEvents;
  readonly unreadable: Pick<Unreadable, "note">;
}

/** How an attempt ended, with what its row is to say. */
export type Execution =
  | { readonly kind: "lost" }
  | (ExecutionFacts & {
      readonly kind: "succeeded";
      readonly output: string | undefined;
      readonly artifactCount: number;
    })
  | (ExecutionFacts & {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryable: boolean;
      readonly stack?: string;
      readonly artifactCount: number;
    })
  | (ExecutionFacts & { readonly kind: "canceled" })
  /** The worker ends: `fault` says why, unless it was asked to. */
  | (ExecutionFacts & {
      readonly kind: "interrupted";
      readonly because: "drain";
      readonly fault: Interruption | undefined;
    })
  /** This machine could not run it, and would not be able to a moment later; or others ended its process. */
  | (ExecutionFacts & { readonly kind: "interrupted"; readonly because: "fault"; readonly fault: Interruption });

interface ExecutionFacts {
  /** Undefined when the attempt ended before the package was known. */
  readonly packageHash: string | undefined;
  readonly progress: Progress | undefined;
  readonly retry: RetryPolicy;
}

export interface ExecutionContext extends LogContext {
  readonly claimed: Claimed;
  readonly row: OwnedRow;
  /** Fires when this worker shuts down and cannot wait any longer; by a `WorkerFault` when it is broken. */
  readonly drain: AbortSignal;
  /** The error of this machine that keeps it from running anything, known since before the claim. */
  readonly fault?: Error | undefined;
}

export async function execute(context: ExecutionContext, deps: ExecutionDeps): Promise<Execution> {
  const { claimed, row, lost, drain, log } = context;
  const facts = { packageHash: undefined, progress: undefined, retry: retryPolicyOf(claimed.start.retry) };
  try {
    if (context.fault !== undefined) throw context.fault;
    return await executeClaimed(context, deps);
  } catch (error) {
    if (lost.aborted) return { kind: "lost" };
    if (error === row.cancelWanted.reason) return { ...facts, kind: "canceled" };
    if (error === drain.reason) {
      return { ...facts, kind: "interrupted", because: "drain", fault: await faultOfDrain(context, deps) };
    }
    if (!isSystemError(error) || error.code === "InternalError" || error instanceof UnreadableError) {
      // An error of the system, not of the job: the job runs elsewhere or later, and the log has the error.
      if (error instanceof UnreadableError) deps.unreadable.note(claimed.start.jobProcessorPackageName, error);
      else log.error({ err: error }, "the attempt could not be carried out");
      const fault = interruptionOf(error);
      await noteInLog([`Interrupted: ${fault.message}`], context, deps);
      return { ...facts, kind: "interrupted", because: "fault", fault };
    }
    return {
      ...facts,
      kind: "failed",
      code: error.code,
      message: error.message,
      retryable: error.retryable,
      artifactCount: 0,
    };
  }
}

async function executeClaimed(context: ExecutionContext, deps: ExecutionDeps): Promise<Execution> {
  const { claimed, row, lost, drain, log } = context;
  const { jobId, start } = claimed;
  // No user code runs yet, so a cancel or the end of this worker need not wait for a service that is away.
  const patience = { until: AbortSignal.any([lost, row.cancelWanted, drain]), log };

  const { tenantName } = jobIdParts(jobId);
  const request = { tenantName, packageName: start.jobProcessorPackageName, jobType: start.jobType };
  const prepare = () => preparePackage(deps.packages, request, lost);
  using prepared = await inSpan("package", {}, () => retryWhileLocked("fetching the package", prepare, patience));
  const { hash, job, manifest } = prepared;
  const declared = manifest.settings;
  const getSettings = declared && (() => deps.settings.of(request, declared));
  const settings = getSettings && (await retryWhileLocked("fetching settings", getSettings, patience));
  // A job that was interrupted often may be one that ends its process without a trace.
  const mayShare = job.isolation === "reuse" && deps.processes.inspects !== true;
  const shares = mayShare && start.interruptions < REUSE_ALONE_AFTER_INTERRUPTIONS;
  await using own = shares ? undefined : await openWorkspace(deps.workspaces, log);
  if (own !== undefined) await prepared.copyTo(own.packagePath, lost);
  const getParameters = () => deps.files.getParameters(jobId);
  const parameters =
    start.parameters ?? (await retryWhileLocked("fetching parameters", getParameters, patience)) ?? "null";
  const ended = { packageHash: hash, progress: undefined, retry: retryPolicyOf(start.retry, job.retry) };

  // R3: from here on user code runs, so everything that forbids it is checked once more.
  lost.throwIfAborted();
  if (row.cancelWanted.aborted) return { ...ended, kind: "canceled" };
  const place = own === undefined ? { shared: prepared } : { workspace: own, packagePath: own.packagePath };
  const spec: JobProcessSpec = {
    ...place,
    job: jobFactsOf(claimed, parameters),
    entry: job.entry,
    timeoutMs: start.timeoutMs ?? job.timeoutMs ?? TIMEOUT_DEFAULT_MS,
    idleTimeoutMs: job.idleTimeoutMs,
    memoryMb: job.memoryMb,
    settings,
  };
  const over = new AbortController();
  const tokens = {
    tenantName,
    declared: manifest.tokenAudiences ?? [],
    lost: AbortSignal.any([lost, over.signal]),
    log,
  };
  await using run = runProcess({ ...spec, askToken: deps.tokens.open(tokens) }, context, deps);
  const { result, progress } = await run.ended;
  over.abort();
  if (lost.aborted) return { kind: "lost" };
  return await conclude(result, { ...ended, progress }, own ?? run.workspace(), context, deps);
}

const jobFactsOf = ({ jobId, claim, start, fence }: Claimed, parameters: string): JobFacts => {
  const { tenantName, batchId } = jobIdParts(jobId);
  return {
    jobId,
    batchId,
    tenantName,
    jobName: start.jobName,
    jobType: start.jobType,
    jobProcessorPackageName: start.jobProcessorPackageName,
    parameters,
    attempt: start.attempts + 1,
    interruption: start.interruptions,
    claimId: claim.id,
    workerId: claim.workerId,
    ...(fence !== undefined && { fence }),
  };
};

interface ProcessRun extends AsyncDisposable {
  /** Resolves when nothing of the process runs, and its log and progress are written. */
  readonly ended: Promise<{ readonly result: ProcessResult; readonly progress: Progress | undefined }>;
  /** Directories that the job has in a shared process; removed at the end of the run. */
  workspace(): Workspace | undefined;
}

function runProcess(spec: JobProcessSpec, context: ExecutionContext, deps: ExecutionDeps): ProcessRun {
  const { claimed, row, log } = context;
  const progress = followProgress({ row, events: deps.events, job: eventJobOf(claimed), entry: claimed.entry, log });
  const span = startSpan("process", {});
  const job = { ...spec.job, trace: traceparentOf(span) };
  const process = deps.processes.start({ ...spec, job, onProgress: progress.report });
  const stopWatching = stopOn(process, context);
  const shipping = shipLog(process, context, deps);

  async function end(): Promise<Awaited<ProcessRun["ended"]>> {
    const result = await process.result;
    if ("code" in result) failSpan(span, result.code);
    span.end();
    stopWatching();
    const [, lastProgress] = await Promise.all([shipping, progress.stop()]);
    return { result, progress: lastProgress };
  }

  return {
    ended: end(),
    workspace: () => process.workspace,
    async [Symbol.asyncDispose]() {
      if (process.workspace !== undefined) await removeWorkspace(process.workspace, log);
    },
  };
}

/** What the process's end means for the job. No default: a new kind of result must be given its meaning. */
async function conclude(
  result: ProcessResult,
  ended: ExecutionFacts,
  workspace: Workspace | undefined,
  context: ExecutionContext,
  deps: ExecutionDeps,
): Promise<Execution> {
  switch (result.kind) {
    case "succeeded": {
      const kept = await inSpan("artifacts", {}, () => collect(workspace, context, deps));
      return kept.failure === undefined
        ? { ...ended, kind: "succeeded", output: result.output, artifactCount: kept.count }
        : { ...ended, kind: "failed", ...kept.failure, retryable: false, artifactCount: kept.count };
    }
    case "failed": {
      const kept = await inSpan("artifacts", {}, () => collectAfterFailure(workspace, context, deps));
      return { ...ended, ...result, message: withHint(result.message, kept), artifactCount: kept.count };
    }
    case "canceled":
      if (result.reason === "cancel") return { ...ended, kind: "canceled" };
      return { ...ended, kind: "interrupted", because: "drain", fault: await faultOfDrain(context, deps) };
    case "killed":
      return { kind: "lost" };
    case "interrupted":
    case "not-started":
      return { ...ended, kind: "interrupted", because: "fault", fault: { code: result.code, message: result.message } };
  }
}

/** What ends this worker when it was not asked to end. The job's log says it too. */
async function faultOfDrain(context: ExecutionContext, deps: ExecutionDeps): Promise<Interruption | undefined> {
  const reason: unknown = context.drain.reason;
  if (!(reason instanceof WorkerFault)) return undefined;
  await noteInLog([`Interrupted: ${reason.interruption.message}`], context, deps);
  return reason.interruption;
}

/** Ends the process for everything that may end it, as gently as each allows. */
function stopOn(process: JobProcess, { lost, row, drain }: ExecutionContext): () => void {
  const kill = (): void => void process.kill();
  const cancel = (): void => process.cancel("cancel");
  const interrupt = (): void => process.cancel("drain");
  const watched: [AbortSignal, () => void][] = [
    [lost, kill],
    [row.cancelWanted, cancel],
    [drain, interrupt],
  ];
  for (const [signal, stop] of watched) {
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  }
  return () => {
    for (const [signal, stop] of watched) signal.removeEventListener("abort", stop);
  };
}
