/**
 * Which errors are this machine's own, so that they end an attempt without counting against its job, and how they are
 * described to its submitter. Every other error about a file that a job left is the job's.
 */
import { isSystemError, UnreadableError } from "../../core/errors.ts";

/** Why an attempt was interrupted: a code for its history, and a sentence. */
export interface Interruption {
  readonly code: string;
  readonly message: string;
}

/** The reason of the signal that ends attempts because their worker cannot go on. */
export class WorkerFault extends Error {
  readonly interruption: Interruption;

  constructor(error: unknown) {
    super("An error in the worker was not caught.", { cause: error });
    const { code, message } = interruptionOf(error);
    this.interruption = isMachineFault(error) ? { code, message } : { code, message: this.message };
  }
}

const FAULTS: Readonly<Record<string, string>> = {
  ENOSPC: "The disk of its worker was full",
  EDQUOT: "The disk of its worker was full",
  EROFS: "The disk of its worker could not be written",
  EIO: "The disk of its worker failed",
  EMFILE: "Its worker had too many files open",
  ENFILE: "Its machine had too many files open",
  ENOMEM: "Its machine had no memory left",
};

/** The code of an error of Node, or of the error that caused it. */
function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string" && error.code in FAULTS) return error.code;
  return systemCodeOf(error.cause);
}

/** Another machine, or this one a moment later, could have done it. */
export const isMachineFault = (error: unknown): error is Error => systemCodeOf(error) !== undefined;

/** Describes an error that is no fault of the job. Details, which may name paths, are in the worker's log. */
export function interruptionOf(error: unknown): Interruption {
  const code = systemCodeOf(error);
  if (code !== undefined) return { code, message: `${FAULTS[code]} (${code}).` };
  if (error instanceof UnreadableError) return { code: error.code, message: error.message };
  return { code: "InternalError", message: isSystemError(error) ? error.message : "The system was at fault." };
}
