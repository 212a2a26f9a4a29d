/** The one error the client throws for what the service or the way to it did; tested by `code`, never by its message. */
import type { ErrorCode, ErrorDetail } from "../core/errors.ts";

/**
 * What no answer of the service says:
 * - `NetworkFailed`: no answer came, or half of one.
 * - `AnswerInvalid`: the answer is not the service's: a proxy's page, or another program at this address.
 * - `SignInFailed`: the issuer gave no token.
 * - `TimedOut`: what was waited for has not happened in the time given.
 */
export type ClientErrorCode = "NetworkFailed" | "AnswerInvalid" | "SignInFailed" | "TimedOut";

/** What kind of failure `NetworkFailed` is. All but the first three stay as they are however often a call is repeated. */
export type NetworkReason =
  /** Nothing listens there. */
  | "refused"
  /** The connection broke off, or half an answer came. */
  | "broken"
  /** No answer came in time. */
  | "silent"
  /** No host has this name. */
  | "unknown-host"
  /** The certificate is not to be trusted. */
  | "certificate"
  /** What answers speaks another protocol. */
  | "protocol";

/** Those known here, and any a newer service may send. */
export type JobServiceErrorCode = ErrorCode | ClientErrorCode | (string & Record<never, never>);

export interface JobServiceErrorFacts {
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly target?: string | undefined;
  readonly details?: readonly ErrorDetail[] | undefined;
  readonly retryable?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly reason?: NetworkReason | undefined;
  readonly cause?: unknown;
}

export class JobServiceError extends Error {
  override readonly name = "JobServiceError";
  readonly code: JobServiceErrorCode;
  /** Of the answer; undefined when none came. */
  readonly status: number | undefined;
  /** Finds the request in the service's log. */
  readonly requestId: string | undefined;
  /** The first field that is wrong. */
  readonly target: string | undefined;
  /** Every field that is wrong. */
  readonly details: readonly ErrorDetail[];
  /** The same call may succeed later without a change. The client has tried again already. */
  readonly retryable: boolean;
  /** What the service asked for, if it did. */
  readonly retryAfterMs: number | undefined;
  /** Of `NetworkFailed`: what kind of failure it was. */
  readonly reason: NetworkReason | undefined;
  /**
   * The request was sent before and its answer got lost: what is refused here may have been done by that one. Calls for
   * which this makes a difference have looked already.
   */
  isRepeated = false;
  /** Its tries are used up: a call around the one that failed does not begin them anew. */
  isExhausted = false;

  constructor(code: JobServiceErrorCode, message: string, facts: JobServiceErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status;
    this.requestId = facts.requestId;
    this.target = facts.target;
    this.details = facts.details ?? [];
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs;
    this.reason = facts.reason;
  }
}

export const isJobServiceError = (error: unknown): error is JobServiceError => error instanceof JobServiceError;
