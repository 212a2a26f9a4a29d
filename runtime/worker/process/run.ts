/** What a module and a command have in common while they run, and how their ends are described. */
import { type JobCode, messageOf, type PackageCode } from "../../core/errors.ts";
import { FAILURE_MESSAGE_MAX_LENGTH, FAILURE_STACK_MAX_LENGTH } from "../../core/limits.ts";
import type { Progress } from "../../core/job/job.ts";
import { parseJson } from "../../core/json.ts";
import { printable } from "../../core/text.ts";
import type { AskToken } from "../identity/token-broker.ts";
import type { Workspace } from "./files/workspace.ts";
import type { LogSource } from "./log/attempt-log.ts";
import type { ProcessExit } from "./os/spawner.ts";
import type { ProcessTree } from "./os/process-tree.ts";
import type { ProcessResult, StopReason } from "./spec.ts";

/** Why a job has to stop. `lost`: the job no longer belongs to this worker. */
export type Stop = StopReason | "timeout" | "idle" | "lost";

/** Where a running job's output goes. */
export interface RunListener {
  readonly line: (source: LogSource, line: Uint8Array | string) => void;
  readonly progress: (progress: Progress) => void;
  /** A sign of life, whatever it says. */
  readonly alive: () => void;
  /** The job asks for a token. */
  readonly token: AskToken;
}

export interface Run {
  readonly pid: number;
  /** In a shared process, once the job has asked for its directories. */
  readonly workspace?: Workspace | undefined;
  /** Whose memory is the job's; undefined if others use it too. */
  readonly tree: ProcessTree | undefined;
  /** Resolves if the job has reported its end; what follows is only the exit of its process. */
  readonly endReported: Promise<void>;
  /** Nothing has to be waited for any more. */
  readonly finished: Promise<unknown>;
  /** All pipes have been read to their end. */
  readonly drained: Promise<void>;
  /** Asks the job to end. */
  stop(reason: Stop): void;
  /** Ends what still runs of it; resolves when nothing does, to the number of processes the job had left behind. */
  clear(): Promise<number>;
  /** How it ended. Called once, after `clear` and when the pipes are empty. */
  conclude(): Promise<Conclusion>;
  /** Lets go of pipes that something outside the tree may still hold. */
  destroy(): void;
}

export type Ended = Extract<ProcessResult, { kind: "succeeded" | "failed" | "interrupted" }>;

export interface Conclusion {
  readonly ended: Ended;
  /** The job reported this itself; otherwise it is read off its exit. */
  readonly reported: boolean;
  /** It had been asked to stop before. */
  readonly stopping: boolean;
  /** Others kept it from noticing that its time was over. */
  readonly excused?: boolean;
}

export type Failed = Extract<ProcessResult, { kind: "failed" }>;

/** `stack`: as a job's process reports it, which may be anything. */
export const failed = (code: JobCode | PackageCode, message: string, retryable: boolean, stack?: string): Failed => ({
  kind: "failed",
  code,
  message: message.slice(0, FAILURE_MESSAGE_MAX_LENGTH).toWellFormed(),
  retryable,
  ...(stack === undefined ? {} : { stack: printable(stack.slice(0, FAILURE_STACK_MAX_LENGTH)).toWellFormed() }),
});

/** A process that ended before there was a result. */
export function crashed({ code, signal }: ProcessExit): Failed {
  const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}${hintOf(signal)}`;
  return failed("JobCrashed", `The job's process ${how} before there was a result.`, true);
}

function hintOf(signal: NodeJS.Signals): string {
  return signal === "SIGKILL" ? " (by the system if memory ran out)" : "";
}

/** Its processes together, or the one it shared. */
export function outOfMemory(bytes: number, limitMb: number): Failed {
  const usedMb = Math.ceil(bytes / 1024 / 1024);
  return failed("JobOutOfMemory", `The job used ${usedMb} MiB of memory; its limit is ${limitMb} MiB.`, true);
}

/** Notices on stderr that Node has ended a process because its heap was full. */
export interface HeapErrorReader {
  /** Takes a line of stderr. */
  read(line: Buffer): void;
  /** The failure, if that was the reason of this exit. */
  exhausted(exit: ProcessExit): Failed | undefined;
}

/** "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", then SIGABRT. */
const LAST_WORDS = "FATAL ERROR: ";
const REASON = "JavaScript heap out of memory";
/** A shell reports a signal of its child as 128 plus its number; SIGABRT has 6. */
const ABORTED_EXIT_CODE = 134;

export function createHeapErrorReader(): HeapErrorReader {
  let seen = false;
  return {
    read(line) {
      seen ||= line.includes(REASON) && line.includes(LAST_WORDS);
    },
    exhausted({ code, signal }) {
      if (!seen || (signal !== "SIGABRT" && code !== ABORTED_EXIT_CODE)) return undefined;
      return failed("JobOutOfMemory", "The job's JavaScript heap is full: Node has ended its process.", true);
    },
  };
}

/** Resolves with the work or after the time, whichever comes first. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, end]);
  clearTimeout(timer);
}

/** The result of a job that has left this as its output. `name` begins the sentence that says what is wrong with it. */
export function succeeded(output: string, name: string): Ended {
  try {
    parseJson(output);
    return { kind: "succeeded", output };
  } catch (error) {
    return failed("JobFailed", `${name} ${messageOf(error)}.`, false);
  }
}
