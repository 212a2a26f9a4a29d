/**
 * One POST to a receiver of a tenant: to a public address only, over a connection of its own, without redirects, with limits
 * of time and size. Never throws: an error is a result.
 */
import { createHmac, randomBytes } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { messageOf } from "../../core/errors.ts";
import type { PostResult } from "../../core/job/webhook.ts";
import { WEBHOOK_ANSWER_MAX_BYTES } from "../../core/limits.ts";
import {
  type ResolveName,
  createPublicLookup,
  faultOfWebhookUrl,
  hostOf,
  isLoopbackAddress,
  isLoopbackHost,
  isPublicAddress,
} from "./receiver-address.ts";

export interface PostDeps {
  readonly resolve: ResolveName;
  /** Whether receivers on this machine are allowed, also over http. For laptops and tests. */
  readonly allowLoopback: boolean;
  /** From the name look-up to the headers of the answer. */
  readonly timeoutMs: number;
  /** Certificates to trust. Default: the system's. */
  readonly ca?: string;
}

export type Post = (url: string, headers: Readonly<Record<string, string>>, body: string) => Promise<PostResult>;

const USER_AGENT = "jobyard-webhooks/1";
/** Time to read the text of an answer, which is only for people. */
const ANSWER_TEXT_MS = 1_000;

export function createPost({ resolve, allowLoopback, timeoutMs, ca }: PostDeps): Post {
  const lookup = createPublicLookup(resolve);
  // Connections are not kept: the address of each try is checked again.
  const agent = new HttpsAgent({ keepAlive: false, ...(ca !== undefined && { ca }) });

  function open(url: URL, headers: Readonly<Record<string, string>>, body: string): ClientRequest {
    const bytes = Buffer.byteLength(body);
    const options = {
      method: "POST",
      headers: {
        ...headers,
        "content-type": "application/json",
        "content-length": String(bytes),
        "user-agent": USER_AGENT,
        connection: "close",
      },
    };
    const host = hostOf(url);
    // A loopback name always means this machine, whatever a name server says.
    const here = { lookup: createLoopbackLookup() };
    if (isLoopbackHost(host)) {
      const send = url.protocol === "http:" ? httpRequest : httpsRequest;
      return send(url, { ...options, ...here, agent: url.protocol === "http:" ? false : agent });
    }
    return httpsRequest(url, { ...options, lookup, agent });
  }

  return (text, headers, body) => {
    // Checked when it was stored, but perhaps by other rules.
    const fault = faultOfWebhookUrl(text, { allowLoopback });
    if (fault !== undefined) return Promise.resolve({ error: `The address ${fault}.` });
    return new Promise<PostResult>((resolveResult) => {
      const request = open(new URL(text), headers, body);
      const timer = setTimeout(() => finish({ error: `There was no answer within ${timeoutMs} ms.` }), timeoutMs);
      let isDone = false;
      function finish(result: PostResult): void {
        if (isDone) return;
        isDone = true;
        clearTimeout(timer);
        request.destroy();
        resolveResult(result);
      }
      request.on("error", (error) => finish({ error: explain(error) }));
      request.on("socket", (socket) => {
        socket.on("connect", () => {
          // A second check: the connection must lead to an address that was checked.
          const { remoteAddress = "" } = socket;
          const isFine = isPublicAddress(remoteAddress) || (allowLoopback && isLoopbackAddress(remoteAddress));
          if (!isFine) finish({ error: "The connection led to an address that is not public." });
        });
      });
      request.on("response", (response) => {
        clearTimeout(timer);
        void textOf(response).then((answer) => {
          finish(resultOf(response.statusCode ?? 0, answer));
        });
      });
      request.end(body);
    });
  };
}

function resultOf(answerCode: number, answer: string): PostResult {
  const isGood = answerCode >= 200 && answerCode < 300;
  const isRedirect = answerCode >= 300 && answerCode < 400;
  return {
    answerCode,
    ...(answer !== "" && { answer }),
    ...(!isGood && {
      error: isRedirect
        ? "The receiver redirects. Redirects are not followed."
        : `The receiver answered ${answerCode}.`,
    }),
  };
}

/** The start of the text, as far as it comes in time. */
function textOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(end, ANSWER_TEXT_MS);
    function end(): void {
      clearTimeout(timer);
      response.destroy();
      const text = Buffer.concat(parts).subarray(0, WEBHOOK_ANSWER_MAX_BYTES).toString("utf8");
      // Shown on terminals and pages: no control characters.
      resolve(text.replaceAll(/[\u0000-\u001f\u007f-\u009f\ufffd]+/g, " ").trim());
    }
    response.on("data", (part: Buffer) => {
      parts.push(part);
      bytes += part.byteLength;
      if (bytes >= WEBHOOK_ANSWER_MAX_BYTES) end();
    });
    response.on("end", end);
    response.on("error", end);
    response.on("close", end);
  });
}

/** Node's messages contain only the receiver's own name and address. */
const explain = (error: Error): string =>
  error instanceof AggregateError ? error.errors.map((one) => messageOf(one)).join("; ") : error.message;

function createLoopbackLookup(): NonNullable<Parameters<typeof httpsRequest>[1]["lookup"]> {
  const addresses = [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ];
  return (_hostname, { all }, callback) => {
    if (all === true) callback(null, addresses);
    else callback(null, "127.0.0.1", 4);
  };
}

// --- Signatures, by https://www.standardwebhooks.com -----------------------------------------------------------------

// A secret is `whsec_` and the base64 of the key of an HMAC with SHA-256 over `{id}.{timestamp}.{body}`.

const SECRET_PREFIX = "whsec_";
const SECRET_BYTES = 32;

export const newSecret = (): string => `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString("base64")}`;

export interface Signable {
  readonly messageId: string;
  readonly sentAt: Date;
  readonly body: string;
  /** Each makes a signature. Receivers accept any of them. */
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
