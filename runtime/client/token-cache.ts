/** Keeps a credential's token until it expires, renews it before, and requests one at a time. */
import type { AccessToken, TokenCredential } from "./credential.ts";
import { JobServiceError, isJobServiceError } from "./job-service-error.ts";
import { type CallRetryPolicy, withRetries } from "./with-retries.ts";

/**
 * A token is renewed when less time is left than this, or less than half of a short life. Longer than any request
 * takes.
 */
const RENEW_BEFORE_MS = 5 * 60_000;
/** After a renewal that failed, while the token has not expired. */
const RENEW_AGAIN_MS = 30_000;

export interface TokenCacheDeps {
  readonly credential: TokenCredential;
  /** The scopes of the service's tokens. */
  readonly scope: () => Promise<string>;
  readonly policy: CallRetryPolicy;
  readonly nowMs?: () => number;
}

export interface TokenOptions {
  /** Get another token, because this one was refused. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Throws SignInFailed, NetworkFailed, and errors of the credential. */
export type TokenCache = (options?: TokenOptions) => Promise<string>;

export function createTokenCache({ credential, scope, policy, nowMs = Date.now }: TokenCacheDeps): TokenCache {
  let kept: AccessToken | undefined;
  let renewAt = 0;
  let asking: Promise<string> | undefined;

  async function ask(): Promise<string> {
    const askedAt = nowMs();
    kept = await withRetries(policy, undefined, getToken);
    const { token, expiresOnTimestamp } = kept;
    renewAt = expiresOnTimestamp - Math.min(RENEW_BEFORE_MS, (expiresOnTimestamp - askedAt) / 2);
    return token;
  }

  async function getToken(): Promise<AccessToken> {
    try {
      const answer = await credential.getToken([await scope()]);
      if (answer !== null) return answer;
    } catch (cause) {
      if (isJobServiceError(cause)) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new JobServiceError("SignInFailed", `The credential returned no token: ${message}`, { cause });
    }
    throw new JobServiceError("SignInFailed", "The credential returned no token.");
  }

  return async ({ fresh = false, signal } = {}) => {
    const last = fresh ? undefined : kept;
    const isValid = last !== undefined && nowMs() < last.expiresOnTimestamp;
    if (isValid && nowMs() < renewAt) return last.token;
    asking ??= ask().finally(() => (asking = undefined));
    if (isValid) {
      // No call waits for the renewal. The issuer may be down, and the token is still valid.
      asking.catch(() => (renewAt = nowMs() + RENEW_AGAIN_MS));
      return last.token;
    }
    // One caller's signal does not end it, because other callers wait for the same token.
    return signal === undefined ? asking : Promise.race([asking, aborted(signal)]);
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
