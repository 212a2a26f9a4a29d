/** Keeps a credential's token until shortly before its end, and asks for one at a time. */
import { isJobServiceError, JobServiceError } from "./errors.ts";
import type { AccessToken, TokenCredential } from "./credential.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";

/** Renewed when less is left, or less than half of a short life: longer than any request is on its way. */
const RENEW_BEFORE_MS = 5 * 60_000;

export interface TokenCacheDeps {
  readonly credential: TokenCredential;
  /** What the service's tokens are asked for with. */
  readonly scope: () => Promise<string>;
  readonly policy: RetryPolicy;
  readonly now?: () => number;
}

export interface TokenOptions {
  /** Not the one there is: it was refused. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Throws SignInFailed, NetworkFailed, and what the credential throws. */
export type TokenCache = (options?: TokenOptions) => Promise<string>;

export function createTokenCache({ credential, scope, policy, now = Date.now }: TokenCacheDeps): TokenCache {
  let kept: { readonly token: string; readonly renewAt: number; readonly askedAt: number } | undefined;
  let asking: Promise<string> | undefined;

  async function ask(): Promise<string> {
    const askedAt = now();
    const { token, expiresOnTimestamp } = await withRetries(policy, undefined, () => getToken());
    const life = expiresOnTimestamp - askedAt;
    kept = { token, renewAt: expiresOnTimestamp - Math.min(RENEW_BEFORE_MS, life / 2), askedAt };
    return token;
  }

  async function getToken(): Promise<AccessToken> {
    try {
      const answer = await credential.getToken([await scope()]);
      if (answer !== null) return answer;
    } catch (cause) {
      if (isJobServiceError(cause)) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new JobServiceError("SignInFailed", `The credential gave no token: ${message}`, { cause });
    }
    throw new JobServiceError("SignInFailed", "The credential gave no token.");
  }

  // Not ended by one caller's signal: others wait for the same token.
  return async ({ fresh = false, signal } = {}) => {
    if (!fresh && kept !== undefined && now() < kept.renewAt) return kept.token;
    asking ??= ask().finally(() => (asking = undefined));
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
