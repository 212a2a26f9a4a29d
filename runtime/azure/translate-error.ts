/**
 * Translates the SDKs' errors into core errors. Every error that leaves runtime/azure passes one of these functions.
 * The SDK's error becomes the `cause`. Its text is not in the message, because it may quote a payload.
 */
import { InvariantError, JobSystemError, LockLostError, UnavailableError } from "../core/errors.ts";

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value ? (value as Record<string, unknown>)[name] : undefined;

/** HTTP status of the answer; undefined if there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = field(error, "statusCode");
  return typeof status === "number" ? status : undefined;
}

/** The service's own code, such as TableNotFound, or Node's, such as ECONNREFUSED. */
function codeOf(error: unknown): string | undefined {
  const code = field(error, "code") ?? field(field(field(error, "details"), "odataError"), "code");
  return typeof code === "string" ? code : undefined;
}

/** A whole table or container is missing: a mistake in the set-up, not a missing row or blob. */
const isUnprovisioned = (error: unknown): boolean =>
  ["TableNotFound", "ContainerNotFound"].includes(codeOf(error) ?? "");

/** There is no such row or blob. */
export const isMissing = (error: unknown): boolean => statusOf(error) === 404 && !isUnprovisioned(error);

/** A row or blob of this name exists. */
export const isExisting = (error: unknown): boolean => statusOf(error) === 409;

/** The blob still has the version the request named. */
export const isUnchanged = (error: unknown): boolean => statusOf(error) === 304;

/** The blob ends before the first requested byte. Also recognises a translated error. */
export const isBeyondEnd = (error: unknown): boolean =>
  statusOf(error) === 416 || (isTranslated(error) && statusOf(error.cause) === 416);

/** The service refused the write because of a row's key or ETag. Nothing was written. */
export const isConditionFailed = (error: unknown): boolean =>
  statusOf(error) === 409 || statusOf(error) === 412 || isMissing(error);

/**
 * The service refused the request for good. After any other failure (a lost answer, a timeout, a server error) the
 * outcome is unknown. Missing rights and throttling may pass, so they do not count as refused.
 */
export function isRefused(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

const isTranslated = (error: unknown): error is JobSystemError => error instanceof JobSystemError;

/** Any other error of tables or blobs, as a core error. `doing` completes "while …". */
export function storageError(error: unknown, doing: string): JobSystemError {
  if (isTranslated(error)) return error;
  const status = statusOf(error);
  const what = codeOf(error) ?? (status === undefined ? "no answer" : `status ${status}`);
  return isRefused(error) && !isUnprovisioned(error)
    ? new InvariantError(`Storage refused a request while ${doing}: ${what}.`, { cause: error })
    : new UnavailableError("StorageUnavailable", `Storage failed while ${doing}: ${what}.`, { cause: error });
}

/** An error of Service Bus. */
export function busError(error: unknown, doing: string): JobSystemError {
  if (isTranslated(error)) return error;
  const code = codeOf(error);
  return code === "MessageLockLost"
    ? new LockLostError(`The message's lock was lost while ${doing}.`, { cause: error })
    : new UnavailableError("BusUnavailable", `Service Bus failed while ${doing}: ${code ?? "no answer"}.`, {
        cause: error,
      });
}

/** Errors of Service Bus that a repeat of the same request would meet again. All others may pass. */
const LASTING_BUS_CODES: readonly string[] = [
  "MessageLockLost",
  "MessageNotFound",
  "MessageSizeExceeded",
  "MessagingEntityNotFound",
  "MessagingEntityDisabled",
  "UnauthorizedAccess",
];

/** A queue, topic, subscription or rule of this name exists. The administration client has its own codes. */
export const isEntityExisting = (error: unknown): boolean => codeOf(error) === "MessageEntityAlreadyExistsError";

/** There is no such queue, topic, subscription or rule. */
export const isEntityMissing = (error: unknown): boolean => codeOf(error) === "MessageEntityNotFoundError";

/** Whether the same request to Service Bus may succeed in a moment. */
export const isPassing = (error: unknown): boolean =>
  !isTranslated(error) && !LASTING_BUS_CODES.includes(codeOf(error) ?? "");
