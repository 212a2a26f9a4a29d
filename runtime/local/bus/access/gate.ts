/** Takes tokens of both kinds and says who brings them: the key's holder, or a principal with role assignments. */
import { type JWTVerifyGetKey, createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from "jose";
import { BusError } from "../engine/errors.ts";
import type { AccessList, KeySource } from "./access-file.ts";
import { type Right, isAllowed } from "./rights.ts";
import { type SasKey, audiencePath, covers, verifySasToken } from "./sas.ts";

/** Who brought a token. */
export interface Bearer {
  /** The token's `oid`; the name of the key for a shared access signature. */
  readonly principalId: string;
  /** Epoch milliseconds. A shared access signature is only judged when it arrives. */
  readonly expiresAt: number;
  allows(right: Right, path: string): boolean;
}

export interface BroughtToken {
  readonly kind: "jwt" | "sas";
  readonly token: string;
  /** What it is to open: an address, or a path in the namespace. */
  readonly audience: string;
}

/** @throws BusError `unauthorized`; an error of another kind when the issuer's keys cannot be had. */
export type Gate = (brought: BroughtToken) => Promise<Bearer>;

export interface GateDeps {
  readonly sasKey: SasKey;
  readonly now: () => number;
  /** The access list as it is now. Absent: only shared access signatures are taken. */
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

/** As in Azure, a right that is given counts at once, and one that is taken away counts until the token is renewed. */
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

// Decides whether a bearer token is genuine: an access token of Microsoft Entra ID for Service Bus.

export interface VerifiedToken {
  /** The `oid` claim. */
  readonly principalId: string;
  /** In epoch milliseconds, tolerance included. */
  readonly expiresAt: number;
}

/**
 * @throws BusError `unauthorized`, saying why as Azure does.
 * @throws Error of another kind when the issuer's keys cannot be had.
 */
export type TokenVerifier = (token: string, access: AccessList) => Promise<VerifiedToken>;

/** Clocks of issuer and bus may differ by so much. */
export const TOLERANCE_S = 5;
/** The only algorithm Entra signs with: neither `none` nor a shared secret can be smuggled in. */
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

/** The SDK asks for the scope `https://servicebus.azure.net//.default`, of which Entra makes either form. */
function withSlashes(audience: string): string[] {
  const bare = audience.replace(/\/+$/, "");
  return [bare, `${bare}/`, `${bare}//`];
}

/** Keys that came from the network are kept for as long as the access list names the same address. */
function keyCache(): (source: KeySource) => JWTVerifyGetKey {
  let remote: { readonly url: string; readonly keys: JWTVerifyGetKey } | undefined;
  return (source) => {
    if (source.kind === "keys") return createLocalJWKSet(source.keys);
    if (remote?.url !== source.url) remote = { url: source.url, keys: createRemoteJWKSet(new URL(source.url)) };
    return remote.keys;
  };
}

const refused = (reason: string): BusError => new BusError("unauthorized", reason);

/** The refusal behind an error of the library; undefined when the token is not what is wrong. */
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
