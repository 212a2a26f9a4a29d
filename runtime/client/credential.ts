/** Credentials of the caller: the shape of `TokenCredential` of @azure/core-auth, and the ones in this package. */
import { isJobServiceError, JobServiceError } from "./job-service-error.ts";
import { createIssuer, STILL_WAITING, type DeviceCode, type IssuedToken, type IssuerOptions } from "./oauth.ts";
import { sleepOrThrow } from "./with-retries.ts";
import type { CallOptions, Fetch } from "./transport.ts";
import type { EntraFacts } from "./trusted-authority.ts";

export interface AccessToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresOnTimestamp: number;
}

/** Every credential of `@azure/identity` fits. */
export interface TokenCredential {
  getToken(scopes: string | string[], options?: { readonly abortSignal?: AbortSignal }): Promise<AccessToken | null>;
}

export const tokenOf = ({ token, expiresInS }: IssuedToken): AccessToken => ({
  token,
  expiresOnTimestamp: Date.now() + expiresInS * 1_000,
});

export interface ClientSecretOptions extends IssuerOptions {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** An application with its own secret. Throws SignInFailed for an authority that must not receive it. */
export function clientSecretCredential(
  facts: EntraFacts,
  { clientId, clientSecret, authority }: ClientSecretOptions,
  fetch: Fetch,
): TokenCredential {
  const issuer = createIssuer(facts, fetch, { authority });
  const form = { grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret };
  return {
    getToken: async (_scopes, { abortSignal: signal } = {}) =>
      tokenOf(await issuer.requestToken({ ...form, scope: facts.applicationScope }, { signal })),
  };
}

export interface RefreshOptions extends IssuerOptions {
  readonly refreshToken: string;
  /** Called with each new refresh token. The one before can no longer be used. */
  readonly onRefreshToken?: (refreshToken: string) => void | Promise<void>;
}

/** A user who has signed in before. Throws SignInFailed for an authority that must not receive the token. */
export function refreshTokenCredential(
  facts: EntraFacts,
  { refreshToken, onRefreshToken, authority }: RefreshOptions,
  fetch: Fetch,
): TokenCredential {
  const issuer = createIssuer(facts, fetch, { authority });
  let current = refreshToken;
  return {
    async getToken(_scopes, { abortSignal: signal } = {}) {
      const issued = await issuer.requestToken(
        {
          grant_type: "refresh_token",
          client_id: publicClientOf(facts),
          refresh_token: current,
          scope: userScopes(facts),
        },
        { signal },
      );
      if (issued.refreshToken !== undefined) {
        current = issued.refreshToken;
        await onRefreshToken?.(current);
      }
      return tokenOf(issued);
    },
  };
}

export interface DeviceCodeOptions extends CallOptions, IssuerOptions {
  /** Shows the user the code and the address to enter it at. */
  readonly onCode: (code: Omit<DeviceCode, "deviceCode">) => void;
}

/** Signs a user in with a code that the user enters in any browser. Resolves after that. */
export async function signInWithDeviceCode(
  facts: EntraFacts,
  { onCode, signal, authority }: DeviceCodeOptions,
  fetch: Fetch,
): Promise<AccessToken & { readonly refreshToken: string | undefined }> {
  const issuer = createIssuer(facts, fetch, { authority });
  const client_id = publicClientOf(facts);
  const { deviceCode, ...shown } = await issuer.requestDeviceCode({ client_id, scope: userScopes(facts) }, { signal });
  onCode(shown);
  const until = Date.now() + shown.expiresInS * 1_000;
  let intervalMs = shown.intervalS * 1_000;
  while (Date.now() < until) {
    await sleepOrThrow(intervalMs, signal);
    try {
      const issued = await issuer.requestToken(
        { grant_type: "urn:ietf:params:oauth:grant-type:device_code", client_id, device_code: deviceCode },
        { signal },
      );
      return { ...tokenOf(issued), refreshToken: issued.refreshToken };
    } catch (error) {
      if (!isJobServiceError(error) || !(STILL_WAITING.has(error.target ?? "") || error.retryable)) throw error;
      // RFC 8628, section 3.5.
      if (error.target === "slow_down") intervalMs += 5_000;
    }
  }
  throw new JobServiceError("TimedOut", `The code ${shown.userCode} was not entered in time. Sign in again.`);
}

export const userScopes = ({ userScope }: EntraFacts): string => `${userScope} openid offline_access profile`;

export function publicClientOf({ publicClientId }: EntraFacts): string {
  if (publicClientId !== undefined) return publicClientId;
  throw new JobServiceError("SignInFailed", "The service has no registration for the sign-in of users.");
}
