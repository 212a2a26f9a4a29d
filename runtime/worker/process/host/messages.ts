/** What a worker and the program in its child say to each other: one JSON object a line, on two pipes of their own. */
import type { JobFacts, StopReason } from "../spec.ts";

/** The child reads here. */
export const COMMANDS_DESCRIPTOR = 4;
/** The child writes here. */
export const REPORTS_DESCRIPTOR = 3;

/** Worker to child. */
export type HostCommand = RunCommand | StopCommand;

export interface RunCommand {
  readonly type: "run";
  readonly job: JobFacts;
  /** Absolute. */
  readonly file: string;
  /** Left out: whichever export declares the job type. */
  readonly export?: string;
  readonly packagePath: string;
  readonly workingPath: string;
  readonly outputPath: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface StopCommand {
  readonly type: "stop";
  readonly reason: StopReason | "timeout";
}

/** Child to worker. */
export type HostReport =
  /** The child waits for its job. */
  | { readonly type: "ready" }
  | { readonly type: "progress"; readonly fraction?: number; readonly text?: string }
  | { readonly type: "log"; readonly source: "log" | "err"; readonly text: string }
  | EndReport;

/** How the job ended; the last report. `stopping`: it had been told to stop before. */
export type EndReport =
  | { readonly type: "returned"; readonly output?: string; readonly stopping: boolean }
  | {
      readonly type: "failed";
      readonly code: HostFailureCode;
      readonly message: string;
      readonly retryable: boolean;
      readonly stopping: boolean;
    };

export const HOST_FAILURE_CODES = ["JobFailed", "OutputTooLarge", "EntryPointInvalid", "JobTypeUnknown"] as const;
export type HostFailureCode = (typeof HOST_FAILURE_CODES)[number];
