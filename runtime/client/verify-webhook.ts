/**
 * Verifies that a request comes from the service and is recent. For receivers in Node, browsers, workers and any other
 * platform with WebCrypto.
 */
import type { WebhookMessage } from "../core/http/webhook-api.ts";

export type WebhookRefusal =
  "HeadersMissing" | "TimestampTooOld" | "TimestampTooNew" | "SignatureWrong" | "BodyInvalid";

/** A request that failed verification. Respond with 400 or 401. */
export class WebhookRefusedError extends Error {
  override readonly name = "WebhookRefusedError";
  readonly code: WebhookRefusal;

  constructor(code: WebhookRefusal, message: string) {
    super(message);
    this.code = code;
  }
}

/** Headers of a Fetch API request, or of Node's. */
export type WebhookHeaders = Pick<Headers, "get"> | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyWebhookOptions {
  /** Allowed difference between the sender's time and ours. Default five minutes. */
  readonly toleranceMs?: number | undefined;
  /** Default: now. */
  readonly now?: Date | undefined;
}

/** A verified request. */
export interface VerifiedWebhook {
  /** The same for every repeat of a message: ignore one that you already have. */
  readonly id: string;
  readonly message: WebhookMessage;
}

const TOLERANCE_MS = 5 * 60_000;
const SECRET_PREFIX = "whsec_";
/** More than this is not a rotation but an attack. */
const SIGNATURES_MAX_COUNT = 20;

/**
 * `body` must be exactly as received, because parsing and serializing change bytes. `secret` as the service showed it, or
 * several during a rotation. Throws WebhookRefusedError.
 */
export async function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  secret: string | readonly string[],
  { toleranceMs = TOLERANCE_MS, now = new Date() }: VerifyWebhookOptions = {},
): Promise<VerifiedWebhook> {
  const id = headerOf(headers, "webhook-id");
  const timestamp = headerOf(headers, "webhook-timestamp");
  const signatures = headerOf(headers, "webhook-signature");
  checkFresh(timestamp, toleranceMs, now);
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), bytes);
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (!(await isSignedByOne(signed, signatures, secrets))) {
    throw new WebhookRefusedError("SignatureWrong", "No signature matches this secret.");
  }
  return { id, message: messageOf(bytes) };
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const value: unknown = isFetchHeaders(headers) ? headers.get(name) : headers[name];
  if (typeof value === "string" && value !== "") return value;
  throw new WebhookRefusedError("HeadersMissing", `The header ${name} is missing.`);
}

const isFetchHeaders = (headers: WebhookHeaders): headers is Pick<Headers, "get"> => typeof headers.get === "function";

function checkFresh(timestamp: string, toleranceMs: number, now: Date): void {
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new WebhookRefusedError("HeadersMissing", "The header webhook-timestamp must be a number of seconds.");
  }
  const ageMs = now.getTime() - Number(timestamp) * 1_000;
  if (ageMs > toleranceMs) throw new WebhookRefusedError("TimestampTooOld", "The message was sent too long ago.");
  if (ageMs < -toleranceMs) throw new WebhookRefusedError("TimestampTooNew", "The message is from the future.");
}

async function isSignedByOne(
  signed: Uint8Array<ArrayBuffer>,
  signatures: string,
  secrets: readonly string[],
): Promise<boolean> {
  const given = signatures
    .split(" ")
    .slice(0, SIGNATURES_MAX_COUNT)
    .flatMap((text) => (text.startsWith("v1,") ? (bytesOfBase64(text.slice(3)) ?? []) : []));
  for (const secret of secrets) {
    const bytes = bytesOfBase64(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret);
    if (bytes === undefined || bytes.length === 0) throw new TypeError("The secret is not a webhook secret.");
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of given) {
      // `verify` compares in constant time.
      if (await crypto.subtle.verify("HMAC", key, signature, signed)) return true;
    }
  }
  return false;
}

function messageOf(bytes: Uint8Array): WebhookMessage {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as WebhookMessage;
  } catch {
    throw new WebhookRefusedError("BodyInvalid", "The body is not JSON.");
  }
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
