/**
 * The client's only error class, for errors of the service and of the connection. Test `code`, never the message.
 * `networkFailed` explains why no response arrived.
 */
import type { ErrorCode, ErrorDetail } from "../core/errors.ts";

/**
 * Codes of errors that the service did not send:
 * - `NetworkFailed`: no response arrived, or only part of one.
 * - `AnswerInvalid`: the response comes from a proxy or another program at this address.
 * - `SignInFailed`: the issuer returned no token.
 * - `TimedOut`: the awaited state was not reached in the given time.
 */
export type ClientErrorCode = "NetworkFailed" | "AnswerInvalid" | "SignInFailed" | "TimedOut";

/** The kind of a `NetworkFailed`. Repeating a call can change only the first three. */
export type NetworkReason =
  /** No process listens at the address. */
  | "refused"
  /** The connection broke, or only part of a response arrived. */
  | "broken"
  /** No response arrived in time. */
  | "silent"
  /** The host name does not exist. */
  | "unknown-host"
  /** The certificate is not trusted. */
  | "certificate"
  /** The server speaks another protocol. */
  | "protocol";

/** The known codes, and any other that a newer service may send. */
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
  /** Status of the response; undefined if none arrived. */
  readonly status: number | undefined;
  /** Identifies the request in the service's log. */
  readonly requestId: string | undefined;
  /** The first field that is wrong. */
  readonly target: string | undefined;
  /** Every field that is wrong. */
  readonly details: readonly ErrorDetail[];
  /** The same call may succeed later without a change. The client has already repeated it. */
  readonly retryable: boolean;
  /** The delay that the service requested, if any. */
  readonly retryAfterMs: number | undefined;
  /** For `NetworkFailed`: its kind. */
  readonly reason: NetworkReason | undefined;
  /**
   * An earlier try was sent and its response was lost, so the refused command may already have been carried out. Calls
   * for which this matters have checked it.
   */
  isRepeated = false;
  /** All tries are used up. An outer call must not start them again. */
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

const HOPELESS: ReadonlySet<NetworkReason> = new Set(["unknown-host", "certificate", "protocol"]);

export interface NetworkFailureFacts {
  /** Status of a response that has started. */
  readonly status?: number | undefined;
  /** The requested URL. The message contains its origin. */
  readonly url?: string | undefined;
  /** The host has responded before, so a failed lookup is an outage. */
  readonly isKnown?: boolean;
}

/** The platform only reports "fetch failed". The reason is a code in a nested cause. */
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

/** The innermost error with a message; if several addresses were tried, that of the first one. */
function rootOf(error: unknown): Root {
  let root: Root = { code: undefined, message: String(error) };
  for (let current = error; current instanceof Error; current = innerOf(current)) {
    root = { code: codeOf(current) ?? root.code, message: current.message === "" ? root.message : current.message };
  }
  return root;
}

/** undici's HTTP parser gives most errors only a name. A connection that ended too early is not an HTTP error. */
function codeOf(error: Error): string | undefined {
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.name === "HTTPParserError" && !error.message.includes("EOF") ? error.name : undefined;
}

const innerOf = (error: Error): unknown =>
  error.cause ?? (error instanceof AggregateError ? (error.errors as readonly unknown[])[0] : undefined);

/** Codes of OpenSSL's verification: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE = /^(?:UNABLE_TO_|.*SELF_SIGNED_CERT|CERT_|HOSTNAME_MISMATCH$|INVALID_(?:CA|PURPOSE)$|ERR_TLS_CERT_)/;
/** The data is not TLS, or not HTTP. */
const PROTOCOL = /^(?:EPROTO|ERR_SSL_|ERR_TLS_|HPE_|HTTPParserError$|ERR_HTTP)/;

function reasonOf(code: string | undefined, cause: unknown, status: number | undefined): NetworkReason {
  if (cause instanceof SilenceError || /^(?:ETIMEDOUT|UND_ERR_\w*TIMEOUT)$/.test(code ?? "")) return "silent";
  if (code === undefined) return "broken";
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ENOTFOUND") return "unknown-host";
  if (CERTIFICATE.test(code)) return "certificate";
  // A response that started was HTTP. An error after that means it was cut off.
  return PROTOCOL.test(code) && status === undefined ? "protocol" : "broken";
}

/** No data arrived for so long that the request is given up. */
export class SilenceError extends Error {
  override readonly name = "SilenceError";

  constructor(ms: number) {
    super(`No data arrived within ${Math.ceil(ms) / 1_000} s.`);
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
      return `The host ${where?.hostname ?? "of the service"} does not exist${cited}.`;
    case "certificate":
      return `${certificateText(code ?? "", origin)}${cited}.`;
    case "protocol":
      return where?.protocol === "http:"
        ? `The response from ${origin} is not HTTP${cited}. Check whether the address must start with https://.`
        : `The response from ${origin} is not valid TLS${cited}. Check whether the address must start with http://.`;
    case "silent":
    case "broken":
      return `${status === undefined ? "No response" : "An incomplete response"} from ${origin}: ${message}`;
  }
}

function certificateText(code: string, origin: string): string {
  if (code === "CERT_HAS_EXPIRED") return `The certificate of ${origin} has expired`;
  if (code === "CERT_NOT_YET_VALID")
    return `The certificate of ${origin} is not valid yet. Check the clock of this machine`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH")
    return `The certificate of ${origin} is for another host name`;
  return (
    `The certificate of ${origin} is not trusted. If your organisation issued it, set NODE_EXTRA_CA_CERTS to the file ` +
    "with the certificate of its authority"
  );
}
