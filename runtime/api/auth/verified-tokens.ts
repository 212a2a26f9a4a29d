/**
 * Keeps the result of verifying a token for a short time, so that a caller's next requests need no check of a signature.
 * It keeps hashes, no tokens. Only tokens that were accepted are kept, so every wrong token is checked each time. A token
 * names the rights it was issued with and cannot change. The only new delay is that of a signing key that is withdrawn: it
 * counts for TOKENS_KEPT_MS more. Grants are not kept here.
 */
import { hash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { TOKENS_KEPT_MAX_COUNT, TOKENS_KEPT_MS } from "../../core/limits.ts";
import type { Identity } from "./identity.ts";
import type { TokenVerifier } from "./token-verifier.ts";

interface Verified {
  readonly identity: Identity;
  readonly at: number;
}

/** The clock's `now` is compared with the token's end, beyond which the given verifier decides each time. */
export function keepVerified(verify: TokenVerifier, { now, monotonicNow }: Clock): TokenVerifier {
  /** By hash, oldest first. */
  const kept = new Map<string, Verified>();

  function keep(key: string, verified: Verified): void {
    // To the end: the order of insertion is the order of age.
    kept.delete(key);
    kept.set(key, verified);
    for (const [one, { at }] of kept) {
      if (kept.size <= TOKENS_KEPT_MAX_COUNT && verified.at - at < TOKENS_KEPT_MS) break;
      kept.delete(one);
    }
  }

  return async (request) => {
    const { authorization } = request.headers;
    if (authorization === undefined) return verify(request);
    const key = hash("sha256", authorization, "base64");
    const found = kept.get(key);
    const isFresh = found !== undefined && monotonicNow() - found.at < TOKENS_KEPT_MS;
    if (isFresh && now().getTime() < found.identity.expiresAt) return found.identity;
    // The time before the check: a key that is withdrawn meanwhile must not count for longer.
    const at = monotonicNow();
    const identity = await verify(request);
    keep(key, { identity, at });
    return identity;
  };
}
