/** Keeps the files of a job that ran without the service, by the rules of a worker. */
import { JobFailedError } from "../../core/errors.ts";
import { systemClock } from "../../core/clock.ts";
import type { Workspace } from "../process/files/workspace.ts";
import type { ProcessResult } from "../process/spec.ts";
import { type ArtifactsDeps, type KeptArtifacts, keepArtifacts, refusal } from "./artifacts.ts";
import { withHint } from "./collect.ts";

export interface KeptLocally {
  /** How the job ended, now that its files are judged too. */
  readonly result: ProcessResult;
  /** What the job's log would say about its files. */
  readonly notes: readonly string[];
}

/** Files are kept when the job succeeded or failed. Throws what `put` throws, and errors of the file system. */
export async function keepLocally(
  result: ProcessResult,
  workspace: Pick<Workspace, "outputPath" | "owner">,
  { put, signal }: Pick<ArtifactsDeps, "put" | "signal">,
): Promise<KeptLocally> {
  if (result.kind !== "succeeded" && result.kind !== "failed") return { result, notes: [] };
  const output = { path: workspace.outputPath, owner: workspace.owner() };
  const request = { jobId: "local", claimId: "local", output };
  const judged = (failure: ReturnType<typeof refusal> | JobFailedError | undefined): ProcessResult => {
    if (failure === undefined) return result;
    if (result.kind === "failed") return { ...result, message: withHint(result.message, { count: 0, failure }) };
    return { kind: "failed", code: failure.code, message: failure.message, retryable: false };
  };
  let kept: KeptArtifacts;
  try {
    kept = await keepArtifacts(request, { put, monotonicNow: systemClock.monotonicNow, signal });
  } catch (error) {
    if (!(error instanceof JobFailedError)) throw error;
    return { result: judged(error), notes: [`${error.code}: ${error.message}`] };
  }
  return { result: judged(kept.firstRefused === undefined ? undefined : refusal(kept)), notes: kept.notes };
}
