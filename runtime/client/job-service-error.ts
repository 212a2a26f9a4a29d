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

// Why no answer came, in words: the platform says "fetch failed", and a code somewhere below it.

const HOPELESS: ReadonlySet<NetworkReason> = new Set(["unknown-host", "certificate", "protocol"]);

export interface NetworkFailureFacts {
  /** Of an answer that has begun. */
  readonly status?: number | undefined;
  /** What was asked; its origin is named. */
  readonly url?: string | undefined;
  /** Something has answered under this name before: that it is not found is an outage. */
  readonly isKnown?: boolean;
}

export function networkFailed(
  cause: unknown,
  { status, url, isKnown = false }: NetworkFailureFacts = {},
): JobServiceError {
  const { code, message } = rootOf(cause);
  const reason = reasonOf(code, cause, status);
  const where = url === undefined ? undefined : URL.parse(url);
  return new JobServiceError("NetworkFailed", textOf(reason, { code, message, status, where }), {
    status,
    cause,
    reason,
    retryable: !HOPELESS.has(reason) || (isKnown && reason === "unknown-host"),
  });
}

interface Root {
  readonly code: string | undefined;
  readonly message: string;
}

/** The innermost error that says something; of several addresses that were tried, the first one's. */
function rootOf(error: unknown): Root {
  let root: Root = { code: undefined, message: String(error) };
  for (let current = error; current instanceof Error; current = innerOf(current)) {
    root = { code: codeOf(current) ?? root.code, message: current.message === "" ? root.message : current.message };
  }
  return root;
}

/** undici's parser of HTTP gives most of its errors a name only; that a connection ended too early is none of HTTP's. */
function codeOf(error: Error): string | undefined {
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.name === "HTTPParserError" && !error.message.includes("EOF") ? error.name : undefined;
}

const innerOf = (error: Error): unknown =>
  error.cause ?? (error instanceof AggregateError ? (error.errors as readonly unknown[])[0] : undefined);

/** Of OpenSSL's verification: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE = /^(?:UNABLE_TO_|.*SELF_SIGNED_CERT|CERT_|HOSTNAME_MISMATCH$|INVALID_(?:CA|PURPOSE)$|ERR_TLS_CERT_)/;
/** TLS that is none, and HTTP that is none. */
const PROTOCOL = /^(?:EPROTO|ERR_SSL_|ERR_TLS_|HPE_|HTTPParserError$|ERR_HTTP)/;

function reasonOf(code: string | undefined, cause: unknown, status: number | undefined): NetworkReason {
  if (cause instanceof SilenceError || /^(?:ETIMEDOUT|UND_ERR_\w*TIMEOUT)$/.test(code ?? "")) return "silent";
  if (code === undefined) return "broken";
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ENOTFOUND") return "unknown-host";
  if (CERTIFICATE.test(code)) return "certificate";
  // An answer that has begun was HTTP: what does not fit any more was cut.
  return PROTOCOL.test(code) && status === undefined ? "protocol" : "broken";
}

/** Nothing came for so long that nothing will. */
export class SilenceError extends Error {
  override readonly name = "SilenceError";

  constructor(ms: number) {
    super(`Nothing came within ${Math.ceil(ms) / 1_000} s.`);
  }
}

interface Told extends Root {
  readonly status: number | undefined;
  readonly where: URL | undefined | null;
}

function textOf(reason: NetworkReason, { code, message, status, where }: Told): string {
  const origin = where?.origin ?? "the service";
  const cited = code === undefined ? "" : ` (${code})`;
  switch (reason) {
    case "refused":
      return `Nothing listens at ${origin}${cited}.`;
    case "unknown-host":
      return `There is no host with the name ${where?.hostname ?? "of the service"}${cited}.`;
    case "certificate":
      return `${certificateText(code ?? "", origin)}${cited}.`;
    case "protocol":
      return where?.protocol === "http:"
        ? `What answers at ${origin} is not HTTP${cited}. Is the address https:// perhaps?`
        : `What answers at ${origin} does not speak TLS as it should${cited}. Is the address http:// perhaps?`;
    case "silent":
    case "broken":
      return `${status === undefined ? "No answer" : "Half an answer"} from ${origin}: ${message}`;
  }
}

function certificateText(code: string, origin: string): string {
  if (code === "CERT_HAS_EXPIRED") return `The certificate of ${origin} has expired`;
  if (code === "CERT_NOT_YET_VALID")
    return `The certificate of ${origin} is not valid yet: is the clock of this machine right?`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH")
    return `The certificate of ${origin} is for another name`;
  return (
    `The certificate of ${origin} is not trusted. If your organisation has made it, name the file with the ` +
    "certificate of its authority in NODE_EXTRA_CA_CERTS"
  );
}
