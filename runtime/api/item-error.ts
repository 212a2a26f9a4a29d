/** The error of one item among many that a request names. */
import { isSystemError, type JobSystemError } from "../core/errors.ts";
import type { ItemError } from "../core/views.ts";

/** The request itself is at fault: said in the item's place. Anything else fails the whole call. */
export const isOfItem = (error: unknown): error is JobSystemError =>
  isSystemError(error) && !error.retryable && error.code !== "InternalError";

/** Throws what is no fault of the item. */
export function itemError(error: unknown): ItemError {
  if (!isOfItem(error)) throw error;
  return { code: error.code, message: error.message };
}
