/** What the exit code of a command says, so that scripts need not read its text. */
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

/** As help and docs/cli.md say it. */
export const EXIT_MEANINGS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.done, "done"],
  [EXIT.failed, "it failed and said why"],
  [EXIT.usage, "called wrongly, or nothing says where the service is"],
  [EXIT.notAllowed, "not signed in, or not allowed"],
  [EXIT.unavailable, "the service or the issuer cannot be reached, or asks to come back later"],
  [
    EXIT.jobsFailed,
    "it did what it should, and a job it submitted, requeued or waited for was refused or did not succeed",
  ],
  [EXIT.interrupted, "Ctrl-C; jobs that were watched go on"],
];

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
    // An issuer that asks to come back later says so with the code of one that refuses.
    if (error.retryable || error.code === "NetworkFailed") return EXIT.unavailable;
    if (NOT_ALLOWED.has(error.code)) return EXIT.notAllowed;
  }
  return EXIT.failed;
}
