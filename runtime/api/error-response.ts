/** How an error becomes an HTTP answer: one total table, one body. Causes and stacks stay in the log. */
import type { ErrorRequestHandler, RequestHandler } from "express";
import {
  InvalidRequestError,
  isSystemError,
  type JobSystemError,
  NotFoundError,
  messageOf,
  type ErrorCode,
  type ErrorDetail,
} from "../core/errors.ts";
import { REQUEST_BODY_MAX_BYTES } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import { requestIdOf } from "./request-id.ts";

export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly target?: string;
    readonly details?: readonly ErrorDetail[];
    readonly requestId: string;
  };
}

/** Seconds after which a client may try again when a service we depend on is away. */
const RETRY_AFTER_S = 2;

/** No default: a new code must be given its status before this compiles. */
function statusOf(code: ErrorCode): number {
  switch (code) {
    case "InvalidRequest":
      return 400;
    case "PayloadTooLarge":
      return 413;
    case "UnsupportedMediaType":
      return 415;
    case "RouteNotFound":
    case "JobNotFound":
    case "BatchNotFound":
    case "ArtifactNotFound":
    case "LogNotFound":
    case "DeadLetterNotFound":
      return 404;
    case "BatchClosed":
    case "JobEnded":
    case "JobNotEnded":
    case "JobExists":
    case "JobIdTaken":
    case "IdempotencyKeyReused":
    case "IllegalTransition":
      return 409;
    case "PackageNotFound":
    case "PackageCorrupt":
    case "PackageUnsafe":
    case "PackageTooLarge":
    case "ManifestMissing":
    case "ManifestInvalid":
    case "JobTypeUnknown":
    case "EntryPointInvalid":
    case "PlatformMismatch":
      return 422;
    case "StorageUnavailable":
    case "BusUnavailable":
      return 503;
    // Outcomes of jobs: a route that lets one escape is broken.
    case "JobFailed":
    case "JobCrashed":
    case "JobTimedOut":
    case "JobOutOfMemory":
    case "JobExpired":
    case "OutputTooLarge":
    case "ArtifactsTooLarge":
    case "JobCanceled":
    case "WorkerLost":
    case "LockLost":
    case "InternalError":
      return 500;
  }
}

export const noSuchRoute: RequestHandler = (request) => {
  throw new NotFoundError("RouteNotFound", `There is no ${request.method} ${request.path}.`);
};

export function answerErrors(log: Logger): ErrorRequestHandler {
  return (thrown: unknown, _request, response, next) => {
    const error = asSystemError(thrown);
    const requestId = requestIdOf(response);
    const status = error === undefined ? 500 : statusOf(error.code);
    if (status >= 500) log.error({ requestId, err: thrown }, "request failed");
    // Too late for a status: the connection must break, or a cut body would look whole.
    if (response.headersSent) {
      next(thrown);
      return;
    }
    if (status === 503) response.set("Retry-After", String(RETRY_AFTER_S));
    response.status(status).json(bodyOf(error, status, requestId));
  };
}

function bodyOf(error: JobSystemError | undefined, status: number, requestId: string): ErrorBody {
  // What an internal error says may contain anything: the caller gets the id that finds it in the log.
  if (error === undefined || status === 500) {
    return { error: { code: "InternalError", message: "Something went wrong on our side.", requestId } };
  }
  const [first] = error.details;
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(first && { target: first.target }),
      ...(error.details.length > 0 && { details: error.details }),
      requestId,
    },
  };
}

/** Errors of the body parser carry a type instead of one of our codes. */
function asSystemError(thrown: unknown): JobSystemError | undefined {
  if (isSystemError(thrown)) return thrown;
  const type: unknown = typeof thrown === "object" && thrown !== null && "type" in thrown ? thrown.type : undefined;
  switch (type) {
    case "entity.too.large":
      return new InvalidRequestError("PayloadTooLarge", `The body is larger than ${REQUEST_BODY_MAX_BYTES} bytes.`);
    case "entity.parse.failed":
      return new InvalidRequestError("InvalidRequest", `The body is not valid JSON: ${messageOf(thrown)}`);
    case "encoding.unsupported":
    case "charset.unsupported":
      return new InvalidRequestError("UnsupportedMediaType", "The body must be JSON in UTF-8.");
    case "request.aborted":
    case "request.size.invalid":
      return new InvalidRequestError("InvalidRequest", "The body ended early.");
    default:
      return thrown instanceof URIError
        ? new InvalidRequestError("InvalidRequest", "The address holds a malformed escape.")
        : undefined;
  }
}
