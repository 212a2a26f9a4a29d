/** Why no answer came, in words: the platform says "fetch failed", and a code somewhere below it. */
import { JobServiceError, type NetworkReason } from "./errors.ts";

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
