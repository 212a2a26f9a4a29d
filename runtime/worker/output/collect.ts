/**
 * What a worker does with the files of a job that has ended, and how it reports on them: in the log, and in
 * how the job ended. Errors of the job's own files are the job's; faults of the machine are thrown.
 */
import { type ErrorCode, isSystemError } from "../../core/errors.ts";
import { FAILURE_MESSAGE_MAX_LENGTH } from "../../core/limits.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import { keepArtifacts, refusal } from "./artifacts.ts";
import { interruptionOf } from "../attempt/machine-fault.ts";
import { retryWhileLocked } from "../attempt/retry-while-locked.ts";
import { type LogContext, type LogDeps, noteInLog } from "./job-log.ts";
import type { Workspace } from "../process/files/workspace.ts";
import type { Clock } from "../../core/clock.ts";

export interface CollectDeps extends LogDeps {
  readonly files: LogDeps["files"] & Pick<JobFiles, "putArtifact">;
  readonly now: Clock["now"];
  /** Milliseconds of a clock that only goes forward. */
  readonly monotonicNow: Clock["monotonicNow"];
}

export interface Collected {
  readonly count: number;
  /** What a job that succeeded fails with, because something it left was not kept. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | undefined;
}

/** `workspace` undefined: the job had no directories. Throws faults of the machine and of storage, and the reason of `lost`. */
export async function collect(
  workspace: Workspace | undefined,
  context: LogContext,
  deps: CollectDeps,
): Promise<Collected> {
  if (workspace === undefined) return { count: 0, failure: undefined };
  const { claimed, lost, log } = context;
  const put: typeof deps.files.putArtifact = (...artifact) =>
    retryWhileLocked("uploading artifacts", () => deps.files.putArtifact(...artifact), { until: lost, log });
  const request = {
    jobId: claimed.jobId,
    claimId: claimed.claim.id,
    output: { path: workspace.outputPath, owner: workspace.owner() },
  };
  try {
    const kept = await keepArtifacts(request, { put, monotonicNow: deps.monotonicNow, signal: lost });
    if (kept.notes.length > 0) await noteInLog(kept.notes, context, deps);
    return { count: kept.count, failure: kept.firstRefused === undefined ? undefined : refusal(kept) };
  } catch (error) {
    if (!isSystemError(error) || error.code !== "ArtifactsTooLarge") throw error;
    await noteInLog([`${error.code}: ${error.message}`], context, deps);
    return { count: 0, failure: { code: error.code, message: error.message } };
  }
}

/**
 * What a failed job left helps to find out why it failed. If it cannot be kept, the job has failed all the same: it would
 * have run once more for nothing.
 */
export async function collectAfterFailure(
  workspace: Workspace | undefined,
  context: LogContext,
  deps: CollectDeps,
): Promise<Collected> {
  try {
    return await collect(workspace, context, deps);
  } catch (error) {
    context.lost.throwIfAborted();
    context.log.error({ err: error }, "the files of a failed job were not kept");
    const { message } = interruptionOf(error);
    await noteInLog([`The files of the job were not kept: ${message}`], context, deps);
    return { count: 0, failure: undefined };
  }
}

const HINT = " Besides, not all of its files were kept: see its log.";

/** The job's own failure counts. Its message says that there is more in the log. */
export function withHint(message: string, { failure }: Collected): string {
  const hint = failure === undefined ? "" : HINT;
  return message.slice(0, FAILURE_MESSAGE_MAX_LENGTH - hint.length) + hint;
}
