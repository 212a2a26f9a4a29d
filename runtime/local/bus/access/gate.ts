/** Verifies tokens of both kinds: shared access signatures, and access tokens of Microsoft Entra ID. */
import { type JWTVerifyGetKey, createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from "jose";
import { BusError } from "../engine/errors.ts";
import type { AccessList, KeySource } from "./access-file.ts";
import { type Right, isAllowed } from "./rights.ts";
import { type SasKey, audiencePath, covers, verifySasToken } from "./sas.ts";

/** The owner of a verified token. */
export interface Bearer {
  /** The token's `oid`; the name of the key for a shared access signature. */
  readonly principalId: string;
  /** Epoch milliseconds. A shared access signature is checked only when it arrives. */
  readonly expiresAt: number;
  allows(right: Right, path: string): boolean;
}

export interface BroughtToken {
  readonly kind: "jwt" | "sas";
  readonly token: string;
  /** What the token is for: an address, or a path in the namespace. */
  readonly audience: string;
}

/** @throws BusError `unauthorized`. @throws Error of another kind when the issuer's keys cannot be read. */
export type Gate = (brought: BroughtToken) => Promise<Bearer>;

export interface GateDeps {
  readonly sasKey: SasKey;
  readonly now: () => number;
  /** The current access list. Absent: only shared access signatures are accepted. */
  readonly access?: (() => AccessList) | undefined;
  readonly verify: TokenVerifier;
}

export function createGate({ sasKey, now, access, verify }: GateDeps): Gate {
  return async ({ kind, token, audience }) => {
    if (kind === "jwt" && access !== undefined) return bearerOf(await verify(token, access()), access);
    if (!covers(verifySasToken(token, sasKey, now()), audiencePath(audience))) {
      throw new BusError("unauthorized", "Unauthorized access: the token is for another entity.");
    }
    return { principalId: sasKey.name, expiresAt: Infinity, allows: () => true };
  };
}

/** As in Azure, a new right counts at once, and a removed right counts until the token is renewed. */
function bearerOf(verified: Pick<Bearer, "principalId" | "expiresAt">, access: () => AccessList): Bearer {
  const { assignments } = access();
  return {
    ...verified,
    allows: (right, path) => {
      const question = { principalId: verified.principalId, right, path };
      return isAllowed(assignments, question) || isAllowed(access().assignments, question);
    },
  };
}

export interface VerifiedToken {
  /** The `oid` claim. */
  readonly principalId: string;
  /** In epoch milliseconds, tolerance included. */
  readonly expiresAt: number;
}

/**
 * @throws BusError `unauthorized` with Azure's reason.
 * @throws Error of another kind when the issuer's keys cannot be read.
 */
export type TokenVerifier = (token: string, access: AccessList) => Promise<VerifiedToken>;

/** The clocks of issuer and bus may differ by this. */
export const TOLERANCE_S = 5;
/** The only algorithm that Entra signs with. Tokens with `none` or a shared secret are refused. */
const ALGORITHMS = ["RS256"];

export function createTokenVerifier({ now }: { readonly now: () => number }): TokenVerifier {
  const keysOf = keyCache();
  return async (token, { issuer, audiences, keys }) => {
    try {
      const { payload } = await jwtVerify(token, keysOf(keys), {
        algorithms: ALGORITHMS,
        issuer,
        audience: audiences.flatMap(withSlashes),
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(now()),
        requiredClaims: ["exp"],
      });
      const { oid, exp = 0 } = payload;
      if (typeof oid !== "string" || oid === "") throw refused("InvalidToken: The token has no claim 'oid'.");
      return { principalId: oid, expiresAt: (exp + TOLERANCE_S) * 1_000 };
    } catch (error) {
      throw refusalOf(error) ?? error;
    }
  };
}

/** The SDK requests the scope `https://servicebus.azure.net//.default`. Entra writes any of these forms for it. */
function withSlashes(audience: string): string[] {
  const bare = audience.replace(/\/+$/, "");
  return [bare, `${bare}/`, `${bare}//`];
}

/** Caches keys from the network while the access list names the same address. */
function keyCache(): (source: KeySource) => JWTVerifyGetKey {
  let remote: { readonly url: string; readonly keys: JWTVerifyGetKey } | undefined;
  return (source) => {
    if (source.kind === "keys") return createLocalJWKSet(source.keys);
    if (remote?.url !== source.url) remote = { url: source.url, keys: createRemoteJWKSet(new URL(source.url)) };
    return remote.keys;
  };
}

const refused = (reason: string): BusError => new BusError("unauthorized", reason);

/** The refusal for an error of the library. Undefined when the token is not the cause. */
function refusalOf(error: unknown): BusError | undefined {
  if (error instanceof errors.JWTExpired) return refused(expiredToken((error.payload.exp ?? 0) * 1_000));
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case "iss":
        return refused("InvalidIssuer: Token issuer is invalid.");
      case "aud":
        return refused("InvalidAudience: The token is for another audience than Service Bus.");
      case "nbf":
        return refused("InvalidToken: The token is not valid yet.");
      default:
        return refused(`InvalidToken: The claim '${error.claim}' is missing or invalid.`);
    }
  }
  if (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSEAlgNotAllowed
  ) {
    return refused("InvalidSignature: The token has an invalid signature.");
  }
  if (
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported
  ) {
    return refused("MalformedToken: The token is not a signed JSON Web Token.");
  }
  return undefined;
}

export const expiredToken = (expiredAt: number): string =>
  `ExpiredToken: The token is expired. Expiration time: '${new Date(expiredAt).toISOString()}'.`;
