/** What the exit code of a command says, so that scripts need not read its text. */
import { CommanderError } from "commander";
import { isJobServiceError } from "../client/index.ts";

export const EXIT = {
  done: 0,
  /** The command failed and said why. */
  failed: 1,
  /** It was called wrongly. */
  usage: 2,
  /** Nobody is signed in, or whoever is may not do this. */
  notAllowed: 3,
  /** The service or the issuer cannot be reached, or asks to come back later. */
  unavailable: 4,
  /** The command did what it should; a job it waited for did not succeed. */
  jobsFailed: 5,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Of a command that was called in a way it does not know. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Ctrl-C was pressed. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** Jobs ended otherwise than they should; everything has been said about them. */
export class JobsFailedError extends Error {
  override readonly name = "JobsFailedError";
}

const NOT_ALLOWED: ReadonlySet<string> = new Set(["Unauthenticated", "Forbidden", "SignInFailed"]);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof InterruptedError) return EXIT.interrupted;
  if (error instanceof JobsFailedError) return EXIT.jobsFailed;
  if (isJobServiceError(error)) {
    if (NOT_ALLOWED.has(error.code)) return EXIT.notAllowed;
    if (error.retryable) return EXIT.unavailable;
  }
  return EXIT.failed;
}
