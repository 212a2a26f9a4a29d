/** Access tokens of managed identities for Azure's own services, signed with the keys of this run's issuer. */
import { DIRECTORY_ID } from "../../../runtime/local/identity/principals.ts";
import type { KeyRing } from "../../../runtime/local/identity/key-ring.ts";

export interface IssuedToken {
  readonly accessToken: string;
  /** Seconds since the epoch. */
  readonly expiresOn: number;
  readonly expiresInSeconds: number;
}

export interface Tokens {
  /** `resource`: the resource in the request to the metadata service. */
  issue(principalId: string, resource: string): IssuedToken;
  /** The principal in an `Authorization: Bearer …` header. Undefined for a token with another audience. */
  principalOf(header: string | undefined, audience: string): string | undefined;
  readonly issuedCount: number;
}

/** Entra's issuer for v1 tokens, which managed identities get. */
export const TOKEN_ISSUER = `https://sts.windows.net/${DIRECTORY_ID}/`;
/** Clocks differ. */
const BACKDATED_SECONDS = 5;

export interface TokensDeps {
  readonly keys: Pick<KeyRing, "sign">;
  readonly lifeSeconds: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

export function createTokens({ keys, lifeSeconds, nowMs }: TokensDeps): Tokens {
  /** A token is valid if it was issued here. No other check is needed. */
  const issued = new Map<
    string,
    { readonly principalId: string; readonly audience: string; readonly expiresOn: number }
  >();
  const seconds = (): number => Math.floor(nowMs() / 1_000);
  return {
    get issuedCount() {
      return issued.size;
    },
    issue(principalId, resource) {
      const iat = seconds() - BACKDATED_SECONDS;
      const expiresOn = seconds() + lifeSeconds;
      const audience = withoutSlash(resource);
      const subject = { oid: principalId, sub: principalId, tid: DIRECTORY_ID };
      const accessToken = keys.sign({
        ...{ aud: audience, iss: TOKEN_ISSUER, iat, nbf: iat, exp: expiresOn, jti: String(issued.size) },
        ...subject,
      });
      issued.set(accessToken, { principalId, audience, expiresOn });
      return { accessToken, expiresOn, expiresInSeconds: lifeSeconds };
    },
    principalOf(header, audience) {
      const token = issued.get(/^Bearer (\S+)$/i.exec(header ?? "")?.[1] ?? "");
      if (token === undefined || token.audience !== withoutSlash(audience)) return undefined;
      return token.expiresOn > seconds() ? token.principalId : undefined;
    },
  };
}

const withoutSlash = (text: string): string => text.replace(/\/+$/, "");
