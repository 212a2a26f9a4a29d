/** How an error becomes an HTTP answer: one table of statuses, one body. Causes and stacks stay in the log. */
import type { ErrorRequestHandler, RequestHandler, Response } from "express";
import * as z from "zod";
import {
  type ErrorCode,
  InvalidRequestError,
  type JobSystemError,
  NotFoundError,
  QuotaExceededError,
  TooManyRequestsError,
  UnavailableError,
  UnreadableError,
  isSystemError,
} from "../../core/errors.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import type { Frozen, ItemError } from "../../core/http/views.ts";
import { REQUEST_BODY_MAX_BYTES } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import { requestIdOf } from "./request-ids.ts";

/** The body of every answer that is an error. */
export const errorBodySchema = z
  .object({
    error: z.object({
      code: z.string().meta({ description: "The error, for programs." }),
      message: z.string().meta({ description: "The error, for people. May change." }),
      target: z.string().optional().meta({ description: "The first field that is wrong." }),
      details: z
        .array(z.object({ target: z.string(), message: z.string() }))
        .optional()
        .meta({ description: "Every field that is wrong." }),
      requestId: z.string().meta({ description: "As in `x-request-id`. Finds the request in the log." }),
    }),
  })
  .meta({ id: "Error" });

type ErrorBody = Frozen<z.infer<typeof errorBodySchema>>;

/** Seconds before a retry while a service we depend on is unavailable, unless the error names a time. */
const RETRY_AFTER_S = 2;

/** No default: a new code does not compile without its status. */
export function statusOf(code: ErrorCode): number {
  switch (code) {
    case "InvalidRequest":
      return 400;
    case "Unauthenticated":
      return 401;
    case "Forbidden":
      return 403;
    case "MethodNotAllowed":
      return 405;
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
    case "TenantNotFound":
    case "GrantNotFound":
    case "WorkerNotFound":
    case "ProgramNotFound":
    case "PackageNotFound":
    case "PackageVersionNotFound":
    case "WebhookNotFound":
    case "DeliveryNotFound":
    case "TimerNotFound":
    case "SettingNotFound":
    case "PauseNotFound":
    case "ActionNotFound":
    case "ErasureNotFound":
      return 404;
    case "BatchClosed":
    case "BatchOfTimer":
    case "JobEnded":
    case "JobNotEnded":
    case "JobNotQueued":
    case "JobExists":
    case "JobIdTaken":
    case "JobNotUnique":
    case "IdempotencyKeyReused":
    case "TooManyWebhooks":
    case "TooManySecrets":
    case "IllegalTransition":
    case "TimerLimitReached":
    case "SettingMissing":
    case "TooManySettings":
    case "TooManyPauses":
    case "TenantErasing":
      return 409;
    case "ParametersInvalid":
    case "PackageCorrupt":
    case "PackageUnsafe":
    case "PackageTooLarge":
    case "ManifestMissing":
    case "ManifestInvalid":
    case "JobTypeUnknown":
    case "EntryPointInvalid":
    case "PlatformMismatch":
      return 422;
    case "TooManyRequests":
    case "QuotaExceeded":
      return 429;
    case "StorageUnavailable":
    case "BusUnavailable":
    case "ClockWrong":
    case "IdentityUnavailable":
    case "SecretsUnavailable":
    // Another instance may be of the release that can read it.
    case "FormatUnknown":
      return 503;
    // Outcomes of jobs: a route must not throw them.
    case "JobFailed":
    case "JobCrashed":
    case "JobTimedOut":
    case "JobOutOfMemory":
    case "JobExpired":
    case "OutputTooLarge":
    case "ArtifactsTooLarge":
    case "ArtifactRefused":
    case "JobCanceled":
    case "WorkerLost":
    case "TimerSkipped":
    case "TimerMissed":
    case "LockLost":
    case "InternalError":
      return 500;
  }
}

export const noSuchRoute: RequestHandler = (request) => {
  throw new NotFoundError("RouteNotFound", `There is no ${request.method} ${request.baseUrl}${request.path}.`);
};

/** For a path that exists, with other methods. */
export function noSuchMethod(methods: readonly string[]): RequestHandler {
  // Express answers HEAD wherever it answers GET.
  const allow = methods.flatMap((method) => (method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()])).join(", ");
  return (request, response) => {
    response.set("Allow", allow);
    throw new InvalidRequestError("MethodNotAllowed", `${request.path} allows ${allow} only.`);
  };
}

export function answerErrors(log: Logger, unreadable: Pick<Unreadable, "note">): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    if (thrown instanceof UnreadableError) unreadable.note(request.path, thrown);
    const { status, body } = judge(thrown, response, log);
    // The status is sent already. The connection must break, or an incomplete body would look complete.
    if (response.headersSent) {
      next(thrown);
      return;
    }
    if (status === 503 || status === 429) {
      const hasTime =
        thrown instanceof TooManyRequestsError ||
        thrown instanceof QuotaExceededError ||
        thrown instanceof UnavailableError;
      const own = hasTime ? thrown.retryAfterS : undefined;
      response.set("Retry-After", response.get("Retry-After") ?? String(own ?? RETRY_AFTER_S));
    }
    response.status(status).json(body);
  };
}

/** The last line of an answer of lines that fails. `requestId` tells it from the error of one item. */
export function lastLineOf(thrown: unknown, response: Response, log: Logger) {
  const { status, body } = judge(thrown, response, log);
  const { code, message, requestId } = body.error;
  return { error: { code, message, retryable: status >= 500, requestId } };
}

function judge(
  thrown: unknown,
  response: Response,
  log: Logger,
): { readonly status: number; readonly body: ErrorBody } {
  const error = asSystemError(thrown);
  const requestId = requestIdOf(response);
  const status = error === undefined ? 500 : statusOf(error.code);
  if (status >= 500) log.error({ requestId, err: thrown }, "request failed");
  return { status, body: bodyOf(error, status, requestId) };
}

function bodyOf(error: JobSystemError | undefined, status: number, requestId: string): ErrorBody {
  // The text of an internal error may contain anything. The caller gets the id that finds it in the log.
  if (error === undefined || status === 500) {
    return {
      error: { code: "InternalError", message: "Internal error. The requestId finds it in the log.", requestId },
    };
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
    case "encoding.unsupported":
      return new InvalidRequestError("UnsupportedMediaType", "The body must be JSON in UTF-8, not compressed.");
    case "request.aborted":
    case "request.size.invalid":
      return new InvalidRequestError("InvalidRequest", "The body ended early.");
    default:
      return thrown instanceof URIError
        ? new InvalidRequestError("InvalidRequest", "The address has a malformed escape.")
        : undefined;
  }
}

/** Whether an error belongs to one item of a request. Any other error fails the whole request. */
export const isOfItem = (error: unknown): error is JobSystemError =>
  isSystemError(error) && !error.retryable && error.code !== "InternalError";

/** Throws an error that is not the item's. */
export function itemError(error: unknown): ItemError {
  if (!isOfItem(error)) throw error;
  return { code: error.code, message: error.message };
}
