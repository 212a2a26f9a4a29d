/**
 * Signs what webhooks are sent, as https://www.standardwebhooks.com says, so that receivers may use any library for it.
 * A secret is `whsec_` and the base64 of the key of an HMAC with SHA-256 over `{id}.{timestamp}.{body}`.
 */
import { createHmac, randomBytes } from "node:crypto";

const SECRET_PREFIX = "whsec_";
const SECRET_BYTES = 32;

export const newSecret = (): string => `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString("base64")}`;

export interface Signable {
  readonly messageId: string;
  readonly sentAt: Date;
  readonly body: string;
  /** Each makes a signature of its own: receivers accept any. */
  readonly secrets: readonly string[];
}

export function signedHeaders({ messageId, sentAt, body, secrets }: Signable): Record<string, string> {
  const timestamp = String(Math.floor(sentAt.getTime() / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${messageId}.${timestamp}.${body}`).digest("base64")}`;
  });
  return { "webhook-id": messageId, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}
