/** How a job says that trying again is pointless. */

/** A registered symbol, because every bundled package carries its own copy of this module. */
const NON_RETRYABLE_MARK = Symbol.for("jobyard.nonRetryable");

/** Thrown by a job whose failure no further attempt can mend: the job fails at once, whatever its retry policy says. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    Object.defineProperty(this, NON_RETRYABLE_MARK, { value: true });
  }
}

/** Whether something thrown says that trying again is pointless; sees through bundled copies of the class. */
export const isNonRetryable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[NON_RETRYABLE_MARK] === true;
