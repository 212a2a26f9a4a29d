/**
 * The issuer's public keys, fetched over HTTPS and kept. Only this module calls the issuer, and it calls rarely, however
 * many requests come.
 *
 * | a request needs                         | what happens                                                             |
 * |-----------------------------------------|--------------------------------------------------------------------------|
 * | any key, none fetched yet               | one fetch for all requests; failed: unavailable, next try in 2 s         |
 * | a known key                             | answered at once; keys older than an hour are refreshed meanwhile,       |
 * |                                         | after a failure once a minute                                            |
 * | an unknown key                          | one fetch, at most once a minute; failed: unavailable, it may be genuine |
 * | a known key not confirmed for 24 hours  | as if none were fetched: a withdrawn key must expire                     |
 */
import { createPublicKey } from "node:crypto";
import { request } from "node:https";
import * as z from "zod";
import { UnavailableError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Clock } from "../../core/clock.ts";

export interface SigningKeys {
  /** The key as PEM. Undefined: the issuer has no such key. Throws UnavailableError when the issuer does not answer. */
  find(kid: string): Promise<string | undefined>;
}

export interface SigningKeysDeps {
  readonly metadataUrl: string;
  /** The issuer that the metadata must name. Any other belongs to another directory. */
  readonly issuer: string;
  /** Rejects when there is no JSON answer. */
  readonly fetchJson: (url: string) => Promise<unknown>;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** Keys of this age are refreshed while requests go on. */
export const KEYS_REFRESH_MS = 60 * 60_000;
/** Keys of this age are not used any more. */
export const KEYS_MAX_AGE_MS = 24 * 60 * 60_000;
/** Between two fetches because of unknown keys: any client can invent those. */
export const UNKNOWN_KEY_FETCH_MS = 60_000;
/** After a failure, while no token can be verified. */
export const FETCH_AGAIN_MS = 2_000;
/** After a failure, while the known keys can be used. */
export const REFRESH_AGAIN_MS = 60_000;
/** Shorter RSA keys are refused. */
const MODULUS_MIN_BITS = 2_048;

const METADATA = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https$/ }) });
const KEY_SET = z.object({ keys: z.array(z.unknown()) });
const SIGNING_KEY = z.object({
  kty: z.literal("RSA"),
  kid: z.string().min(1),
  use: z.literal("sig").optional(),
  alg: z.literal("RS256").optional(),
  n: z.string(),
  e: z.string(),
});

interface FetchedKeys {
  readonly pemOf: ReadonlyMap<string, string>;
  readonly at: number;
}

export function createSigningKeys({ metadataUrl, issuer, fetchJson, monotonicNow, log }: SigningKeysDeps): SigningKeys {
  let kept: FetchedKeys | undefined;
  let underWay: Promise<void> | undefined;
  let failedAt = -Infinity;
  let unknownAskedAt = -Infinity;

  async function fetchKeys(): Promise<ReadonlyMap<string, string>> {
    const metadata = METADATA.parse(await fetchJson(metadataUrl));
    if (metadata.issuer !== issuer) throw new Error(`The metadata is that of the issuer ${metadata.issuer}.`);
    const { keys } = KEY_SET.parse(await fetchJson(metadata.jwks_uri));
    const pemOf = new Map(keys.flatMap(usableKey));
    if (pemOf.size === 0) throw new Error("The issuer names no key that can verify RS256.");
    return pemOf;
  }

  /** Fetches once for all callers. Also resolves after a failure, which `failedAt` shows. */
  function refresh(): Promise<void> {
    underWay ??= fetchKeys()
      .then(
        (pemOf) => {
          kept = { pemOf, at: monotonicNow() };
          failedAt = -Infinity;
        },
        (error: unknown) => {
          failedAt = monotonicNow();
          log.warn({ issuer, reason: messageOf(error) }, "the issuer's keys could not be fetched");
        },
      )
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  }

  const hasPassedSinceFailure = (ms: number): boolean => underWay !== undefined || monotonicNow() - failedAt >= ms;

  function current(): FetchedKeys | undefined {
    return kept !== undefined && monotonicNow() - kept.at < KEYS_MAX_AGE_MS ? kept : undefined;
  }

  async function loaded(): Promise<FetchedKeys> {
    if (current() === undefined && hasPassedSinceFailure(FETCH_AGAIN_MS)) await refresh();
    const keys = current();
    if (keys === undefined) throw unavailable();
    return keys;
  }

  return {
    async find(kid) {
      const keys = await loaded();
      const pem = keys.pemOf.get(kid);
      if (pem !== undefined) {
        if (monotonicNow() - keys.at >= KEYS_REFRESH_MS && hasPassedSinceFailure(REFRESH_AGAIN_MS)) void refresh();
        return pem;
      }
      if (underWay === undefined && monotonicNow() - unknownAskedAt < UNKNOWN_KEY_FETCH_MS) {
        // After a failed fetch it is unknown whether such a key exists.
        if (failedAt >= unknownAskedAt) throw unavailable();
        return undefined;
      }
      unknownAskedAt = underWay === undefined ? monotonicNow() : unknownAskedAt;
      await refresh();
      const found = kept?.pemOf.get(kid);
      if (found === undefined && failedAt > -Infinity) throw unavailable();
      return found;
    },
  };
}

const unavailable = (): UnavailableError =>
  new UnavailableError("IdentityUnavailable", "The token issuer does not answer. Retry later.");

/** The key as an entry. Empty: a key of another kind. */
function usableKey(candidate: unknown): [string, string][] {
  const parsed = SIGNING_KEY.safeParse(candidate);
  if (!parsed.success) return [];
  const { kid, kty, n, e } = parsed.data;
  try {
    const key = createPublicKey({ key: { kty, n, e }, format: "jwk" });
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < MODULUS_MIN_BITS) return [];
    return [[kid, key.export({ type: "spki", format: "pem" }).toString()]];
  } catch {
    return [];
  }
}

// --- JSON over HTTPS, with limits of time and size, without redirects ------------------------------------------------

export interface HttpsJsonOptions {
  /** Certificate to trust instead of the system's. Undefined: the system's. */
  readonly ca: string | undefined;
  /** For connecting, waiting and reading together. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** Rejects when there is no complete JSON answer of status 200 in time. */
export function httpsJson(url: string, { ca, timeoutMs, maxBytes }: HttpsJsonOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      // No agent: nothing kept open between requests that are an hour apart.
      { agent: false, ...(ca !== undefined && { ca }), signal: AbortSignal.timeout(timeoutMs) },
      (response) => {
        if (response.statusCode !== 200) {
          response.destroy();
          reject(new Error(`The issuer answered ${String(response.statusCode)}.`));
          return;
        }
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > maxBytes) response.destroy(new Error(`The issuer answered with more than ${maxBytes} bytes.`));
        });
        response.once("error", reject);
        response.once("end", () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()));
          } catch {
            reject(new Error("The issuer's answer is not JSON."));
          }
        });
      },
    );
    sent.once("error", reject);
    sent.end();
  });
}
