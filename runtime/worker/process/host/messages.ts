/** The messages between a worker and the program in its child: one JSON object a line, on two pipes of their own. */
import type { Stop } from "../run.ts";
import type { TokenAnswer } from "../../identity/token-broker.ts";
import type { JobFacts } from "../spec.ts";

/** Of one request for a token, which has one scope; the worker says what is wrong with others. */
export const TOKEN_SCOPES_MAX_COUNT = 10;
/** Longer than any audience with `/.default` behind it. */
export const TOKEN_SCOPE_MAX_LENGTH = 256;

/** The child reads here. */
export const COMMANDS_DESCRIPTOR = 4;
/** The child writes here. */
export const REPORTS_DESCRIPTOR = 3;

/** Worker to child: one `run`, or one `share` and then any number of `run`. */
export type HostCommand = ShareCommand | RunCommand | StopCommand | PingCommand | TokenCommand;

/** From now on the child serves many jobs of one package. */
export interface ShareCommand {
  readonly type: "share";
  readonly workingPath: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface RunCommand {
  readonly type: "run";
  /** Names the job in a shared child, and in its reports. */
  readonly id: number;
  readonly job: JobFacts;
  /** Relative to the package. */
  readonly file: string;
  /** Left out: any export may declare the job type. */
  readonly export?: string;
  readonly packagePath: string;
  readonly workingPath: string;
  readonly outputPath: string;
  /** Left out: the package declares none. In no parameters and no environment, which other code prints and inherits. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Not for a shared child, whose environment belongs to no job alone. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The job waits for a debugger. Said by the worker's settings, never by data of a job. */
  readonly inspect?: InspectCommand;
}

export interface InspectCommand {
  /** On 127.0.0.1. */
  readonly port: number;
  /** The package's folder on this machine, where a debugger finds the sources. */
  readonly sourceFolder?: string;
}

export interface StopCommand {
  readonly type: "stop";
  readonly id: number;
  readonly reason: Stop;
}

/** The answer to "token". */
export interface TokenCommand {
  readonly type: "token";
  /** The job. */
  readonly id: number;
  readonly request: number;
  readonly answer: TokenAnswer;
}

/** A shared child answers as soon as it runs. */
export interface PingCommand {
  readonly type: "ping";
}

/** Child to worker. */
export type HostReport = ChildReport | (JobReport & { readonly id?: number });

export type ChildReport =
  /** The child waits for its job. */
  | { readonly type: "ready" }
  /** The answer to "ping" and "stop" of a shared child. */
  | { readonly type: "pong" }
  /** A shared child should get no more jobs: something of an ended job has gone wrong in it. */
  | { readonly type: "retire" }
  /** A shared child ends because of the job whose end it reports next. */
  | { readonly type: "leaving" };

/** About one job; in a shared child it says which. */
export type JobReport =
  | { readonly type: "progress"; readonly fraction?: number; readonly text?: string }
  | { readonly type: "log"; readonly source: "log" | "err"; readonly text: string }
  /** Printed by a job of a shared child; not cut into lines yet. */
  | { readonly type: "print"; readonly source: "out" | "err"; readonly text: string }
  | TokenReport
  /** A job of a shared child asks for its directories: from now on they are its own. */
  | { readonly type: "files" }
  | EndReport;

/** The job asks for a token. */
export interface TokenReport {
  readonly type: "token";
  readonly request: number;
  readonly scopes: readonly string[];
}

/** How the job ended; the last report. `stopping`: it had been asked to stop before. */
export type EndReport =
  | { readonly type: "returned"; readonly output?: string; readonly stopping: boolean }
  | {
      readonly type: "failed";
      readonly code: HostFailureCode;
      readonly message: string;
      /** Where it was thrown: frames in lines of the source. */
      readonly stack?: string;
      readonly retryable: boolean;
      readonly stopping: boolean;
    };

/** How a job ended, before it is known whether it had been asked to. */
export type HostEnd = DistributiveOmit<EndReport, "stopping">;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

export const HOST_FAILURE_CODES = [
  "JobFailed",
  "JobCrashed",
  "OutputTooLarge",
  "EntryPointInvalid",
  "JobTypeUnknown",
] as const;
export type HostFailureCode = (typeof HOST_FAILURE_CODES)[number];
