/** What a module and a command have in common while they run, and the words in which their ends are told. */
import type { JobCode, PackageCode } from "../../core/errors.ts";
import { FAILURE_MESSAGE_MAX_LENGTH } from "../../core/limits.ts";
import type { Progress } from "../../core/job.ts";
import type { LogSource } from "./attempt-log.ts";
import type { LaunchedProcess, ProcessExit } from "./launch.ts";
import type { ProcessResult, StopReason } from "./spec.ts";

export type Stop = StopReason | "timeout";

/** Where a running job's words go. */
export interface RunListener {
  line(source: LogSource, line: Uint8Array | string): void;
  progress(progress: Progress): void;
}

export interface Run {
  readonly process: LaunchedProcess;
  /** Resolves if the job has told its end; what follows is only the exit of its process. */
  readonly told: Promise<void>;
  /** All pipes have been read to their end. */
  readonly drained: Promise<void>;
  /** Asks the job to end. */
  stop(reason: Stop): void;
  /** How it ended. Called once, after the last process is gone and the pipes are empty. */
  conclude(exit: ProcessExit): Promise<Conclusion>;
  /** Lets go of pipes that something outside the tree may still hold. */
  destroy(): void;
}

export type Ended = Extract<ProcessResult, { kind: "succeeded" | "failed" }>;

export interface Conclusion {
  readonly ended: Ended;
  /** The job said this itself; otherwise it is read off its exit. */
  readonly told: boolean;
  /** It had been asked to stop before. */
  readonly stopping: boolean;
}

export const failed = (code: JobCode | PackageCode, message: string, retryable: boolean): Ended => ({
  kind: "failed",
  code,
  message: message.slice(0, FAILURE_MESSAGE_MAX_LENGTH).toWellFormed(),
  retryable,
});

/** A process that ended in a way no job ends on purpose. */
export function crashed({ code, signal }: ProcessExit): Ended {
  const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}${hintOf(signal)}`;
  return failed("JobCrashed", `The job's process ${how} before there was a result.`, true);
}

function hintOf(signal: NodeJS.Signals): string {
  if (signal === "SIGKILL") return " (by the system if memory ran out)";
  return signal === "SIGABRT" ? " (Node does that when its heap is full)" : "";
}

export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
