/**
 * Every error the system raises on purpose. Code tests `code`, never a message; subclasses say who must act. How an
 * error becomes an HTTP answer or a settlement is decided elsewhere, by total tables over these codes.
 */
import type { FormatName } from "./formats.ts";

/** The caller must change the request. */
export const INVALID_REQUEST_CODES = [
  "InvalidRequest",
  "ParametersInvalid",
  "MethodNotAllowed",
  "PayloadTooLarge",
  "UnsupportedMediaType",
] as const;
/** The caller must sign in, or renew its token. */
export const UNAUTHENTICATED_CODES = ["Unauthenticated"] as const;
/** The caller is known, and its role does not allow this operation. */
export const FORBIDDEN_CODES = ["Forbidden"] as const;
/** The caller must ask less often. */
export const TOO_MANY_CODES = ["TooManyRequests", "QuotaExceeded"] as const;
/** It does not exist, or the caller may not know of it. */
export const NOT_FOUND_CODES = [
  "RouteNotFound",
  "JobNotFound",
  "BatchNotFound",
  "ArtifactNotFound",
  "LogNotFound",
  "DeadLetterNotFound",
  "TenantNotFound",
  "GrantNotFound",
  "WorkerNotFound",
  "ProgramNotFound",
  "PackageNotFound",
  "PackageVersionNotFound",
  "WebhookNotFound",
  "DeliveryNotFound",
  "TimerNotFound",
  "SettingNotFound",
  "PauseNotFound",
  "ActionNotFound",
  "ErasureNotFound",
] as const;
/** The thing is not in a state that allows this. */
export const CONFLICT_CODES = [
  "BatchClosed",
  "BatchOfTimer",
  "JobEnded",
  "JobNotEnded",
  "JobNotQueued",
  "JobExists",
  "JobIdTaken",
  "JobNotUnique",
  "IdempotencyKeyReused",
  "TooManyWebhooks",
  "TooManySecrets",
  "IllegalTransition",
  "TimerLimitReached",
  "SettingMissing",
  "TooManySettings",
  "TooManyPauses",
  "TenantErasing",
] as const;
/** The package author must act; the job fails at once. */
export const PACKAGE_CODES = [
  "PackageNotFound",
  "PackageCorrupt",
  "PackageUnsafe",
  "PackageTooLarge",
  "ManifestMissing",
  "ManifestInvalid",
  "JobTypeUnknown",
  "EntryPointInvalid",
  "PlatformMismatch",
] as const;
/** The job's own code failed; the retry policy decides. */
export const JOB_CODES = [
  "JobFailed",
  "JobCrashed",
  "JobTimedOut",
  "JobOutOfMemory",
  "JobExpired",
  "OutputTooLarge",
  "ArtifactsTooLarge",
  "ArtifactRefused",
] as const;
/** The system ended the job, or a caller canceled it. */
export const ENDED_CODES = ["JobCanceled", "WorkerLost", "LockLost", "TimerSkipped", "TimerMissed"] as const;
export const UNAVAILABLE_CODES = [
  "StorageUnavailable",
  "BusUnavailable",
  "IdentityUnavailable",
  "SecretsUnavailable",
  "ClockWrong",
] as const;
/** Another release must read it: this one does not know the format. */
export const FORMAT_CODES = ["FormatUnknown"] as const;
export const INVARIANT_CODES = ["InternalError"] as const;

export type InvalidRequestCode = (typeof INVALID_REQUEST_CODES)[number];
export type UnauthenticatedCode = (typeof UNAUTHENTICATED_CODES)[number];
export type ForbiddenCode = (typeof FORBIDDEN_CODES)[number];
export type TooManyCode = (typeof TOO_MANY_CODES)[number];
export type NotFoundCode = (typeof NOT_FOUND_CODES)[number];
export type ConflictCode = (typeof CONFLICT_CODES)[number];
export type PackageCode = (typeof PACKAGE_CODES)[number];
export type JobCode = (typeof JOB_CODES)[number];
export type EndedCode = (typeof ENDED_CODES)[number];
export type UnavailableCode = (typeof UNAVAILABLE_CODES)[number];
export type FormatCode = (typeof FORMAT_CODES)[number];
export type InvariantCode = (typeof INVARIANT_CODES)[number];

export type ErrorCode =
  | InvalidRequestCode
  | UnauthenticatedCode
  | ForbiddenCode
  | TooManyCode
  | NotFoundCode
  | ConflictCode
  | PackageCode
  | JobCode
  | EndedCode
  | UnavailableCode
  | FormatCode
  | InvariantCode;

/** One wrong field of a request: its JSON path, and what it should be. */
export interface ErrorDetail {
  readonly target: string;
  readonly message: string;
}

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: readonly ErrorDetail[];
}

/** The base of all errors raised on purpose. `retryable`: the same call may succeed later without a change. */
export abstract class JobSystemError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: readonly ErrorDetail[];

  constructor(code: Code, message: string, retryable: boolean, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
    this.details = options.details ?? [];
  }
}

export class InvalidRequestError extends JobSystemError<InvalidRequestCode> {
  constructor(code: InvalidRequestCode, message: string, options?: ErrorOptions) {
    super(code, message, false, options);
  }
}

/** A request with one wrong field; `message` says what it should be. */
export const invalidField = (
  target: string,
  message: string,
  code: InvalidRequestCode = "InvalidRequest",
): InvalidRequestError => new InvalidRequestError(code, `${target}: ${message}`, { details: [{ target, message }] });

/** The request has no valid token. Messages never repeat the token. */
export class UnauthenticatedError extends JobSystemError<UnauthenticatedCode> {
  constructor(message: string, options?: ErrorOptions) {
    super("Unauthenticated", message, false, options);
  }
}

/** The caller lacks a role that the operation needs. The error never reveals whether something exists. */
export class ForbiddenError extends JobSystemError<ForbiddenCode> {
  constructor(message: string, options?: ErrorOptions) {
    super("Forbidden", message, false, options);
  }
}

/** The caller makes too many requests, or too many at a time. */
export class TooManyRequestsError extends JobSystemError<TooManyCode> {
  /** Seconds after which asking again makes sense. Undefined: the usual ones. */
  readonly retryAfterS: number | undefined;

  constructor(message: string, { retryAfterS, ...options }: ErrorOptions & { readonly retryAfterS?: number } = {}) {
    super("TooManyRequests", message, true, options);
    this.retryAfterS = retryAfterS;
  }
}

/** The tenant has used what an administrator lets it use. Not retryable: it takes hours, or another quota. */
export class QuotaExceededError extends JobSystemError<TooManyCode> {
  /** Seconds until the quota may have room. */
  readonly retryAfterS: number;

  constructor(message: string, { retryAfterS, ...options }: ErrorOptions & { readonly retryAfterS: number }) {
    super("QuotaExceeded", message, false, options);
    this.retryAfterS = retryAfterS;
  }
}

export class NotFoundError extends JobSystemError<NotFoundCode> {
  constructor(code: NotFoundCode, message: string, options?: ErrorOptions) {
    super(code, message, false, options);
  }
}

export class ConflictError extends JobSystemError<ConflictCode> {
  constructor(code: ConflictCode, message: string, options?: ErrorOptions) {
    super(code, message, false, options);
  }
}

/** A package that cannot be used: trying again without a new upload is pointless. */
export class PackageError extends JobSystemError<PackageCode> {
  constructor(code: PackageCode, message: string, options?: ErrorOptions) {
    super(code, message, false, options);
  }
}

/** The job's own failure. `retryable` is false when its author said so. */
export class JobFailedError extends JobSystemError<JobCode> {
  constructor(
    code: JobCode,
    message: string,
    { retryable = true, ...options }: ErrorOptions & { retryable?: boolean } = {},
  ) {
    super(code, message, retryable, options);
  }
}

export class JobCanceledError extends JobSystemError<"JobCanceled"> {
  constructor(message = "The job was canceled.") {
    super("JobCanceled", message, false);
  }
}

/** The broker may already have given this job to another worker: stop it, write nothing, settle nothing. */
export class LockLostError extends JobSystemError<"LockLost"> {
  constructor(message: string, options?: ErrorOptions) {
    super("LockLost", message, false, options);
  }
}

/** A service we depend on cannot answer now. */
export class UnavailableError extends JobSystemError<UnavailableCode> {
  /** Seconds after which asking again makes sense. Undefined: the usual ones. */
  readonly retryAfterS: number | undefined;

  constructor(
    code: UnavailableCode,
    message: string,
    { retryAfterS, ...options }: ErrorOptions & { readonly retryAfterS?: number } = {},
  ) {
    super(code, message, true, options);
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Something that another release wrote and this one cannot read. Leave it as it is, for a process that knows the format.
 * Never judge it, end it or write over it. Messages name the field, never its value.
 */
export class UnreadableError extends JobSystemError<FormatCode> {
  readonly format: FormatName;

  constructor(format: FormatName, message: string, options?: ErrorOptions) {
    super("FormatUnknown", message, true, options);
    this.format = format;
  }
}

/** Something that cannot happen happened: our bug. */
export class InvariantError extends JobSystemError<InvariantCode> {
  constructor(message: string, options?: ErrorOptions) {
    super("InternalError", message, false, options);
  }
}

/** Whether something was raised on purpose, with a code that can be relied on. */
export const isSystemError = (error: unknown): error is JobSystemError => error instanceof JobSystemError;

/** The text of anything thrown, for messages and logs. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** An invalid schedule. The message names what is wrong and what it should be. */
export class ScheduleError extends Error {
  override readonly name = "ScheduleError";
}
