/** What the end of an attempt means: the job's own report, weighed against the reasons for which it had to stop. */
import { type Conclusion, type Stop, failed, outOfMemory } from "./run.ts";
import type { JobProcessSpec, ProcessResult } from "./spec.ts";

/** What the worker knows of an attempt that ends. */
export interface EndFacts {
  readonly spec: Pick<JobProcessSpec, "timeoutMs" | "idleTimeoutMs">;
  stop: Stop | undefined;
  killed: boolean;
  forced: boolean;
  exceeded: { readonly limitMb: number; readonly bytes: number } | undefined;
}

/**
 * The result of the attempt. What a job reported before it was asked to stop counts. After that only an output shows that it
 * finished its work instead of stopping; and a time limit that was exceeded stays exceeded.
 */
export function endOf({ spec, stop, killed, forced, exceeded }: EndFacts, conclusion?: Conclusion): ProcessResult {
  const timedOut = stop === "timeout" || stop === "idle";
  if (conclusion?.reported === true) {
    const { ended, stopping } = conclusion;
    const hasOutput = ended.kind === "succeeded" && ended.output !== undefined;
    if (!stopping || (hasOutput && !timedOut)) return ended;
  }
  if (killed) return { kind: "killed" };
  if (exceeded !== undefined) return outOfMemory(exceeded.bytes, exceeded.limitMb);
  if (timedOut) return conclusion?.excused === true ? conclusion.ended : timeLimit(stop, spec);
  if (stop === "cancel" || stop === "drain") return { kind: "canceled", reason: stop, forced };
  return conclusion?.ended ?? { kind: "killed" };
}

function timeLimit(stop: "timeout" | "idle", { timeoutMs, idleTimeoutMs = 0 }: EndFacts["spec"]): ProcessResult {
  const message =
    stop === "timeout"
      ? `The job ran longer than its limit of ${timeoutMs / 1_000} s.`
      : `The job showed no progress, log or output for longer than its idle limit of ${idleTimeoutMs / 1_000} s.`;
  return failed("JobTimedOut", message, true);
}
