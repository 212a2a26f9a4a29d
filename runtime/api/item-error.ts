/** The error of one item among many that a request names. */
import { isSystemError } from "../core/errors.ts";
import type { ItemError } from "../core/views.ts";

/** The request itself is at fault: said in the item's place. Anything else fails the whole call. */
export function itemError(error: unknown): ItemError {
  if (isSystemError(error) && !error.retryable && error.code !== "InternalError") {
    return { code: error.code, message: error.message };
  }
  throw error;
}
