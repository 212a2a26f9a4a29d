/** The exit codes of commands, for scripts. */
import { CommanderError } from "commander";
import { isJobServiceError } from "../client/job-service-error.ts";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notAllowed: 3,
  unavailable: 4,
  jobsFailed: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The texts in help and docs/cli.md. */
export const EXIT_MEANINGS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.done, "done"],
  [EXIT.failed, "failed; the message gives the reason"],
  [EXIT.usage, "invalid arguments, or the service's address is not set"],
  [EXIT.notAllowed, "not signed in, or not allowed"],
  [EXIT.unavailable, "the service or the issuer is unreachable or busy: try again later"],
  [
    EXIT.jobsFailed,
    "the command worked, but a job that it submitted, requeued or awaited was refused or did not succeed",
  ],
  [EXIT.interrupted, "Ctrl-C; watched jobs continue"],
];

/** The command line is invalid. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Ctrl-C was pressed. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** Jobs did not succeed. Their errors have already been printed. */
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
    // A busy issuer uses the same code as one that refuses.
    if (error.retryable || error.code === "NetworkFailed") return EXIT.unavailable;
    if (NOT_ALLOWED.has(error.code)) return EXIT.notAllowed;
  }
  return EXIT.failed;
}
