/** An issuer of access tokens for Service Bus, and an access file that trusts it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TokenCredential } from "@azure/identity";
import { SignJWT } from "jose";
import type { AccessList } from "../../access/access-file.ts";
import type { Assignment } from "../../access/rights.ts";
import { temporaryDirectory } from "../../../../../test/support/temporary-directory.ts";
import { newPair, nowS, type SigningPair } from "../../../../../test/support/identity/test-issuer.ts";

const ISSUER = "https://issuer.example/v2.0";

export interface BusTokens extends AsyncDisposable {
  /** For `accessFile` of the bus. */
  readonly accessFile: string;
  readonly pair: SigningPair;
  /** The access list as the bus reads it. */
  list(assignments?: readonly Assignment[]): AccessList;
  /** Replaces the assignments. */
  assign(...assignments: readonly Assignment[]): Promise<void>;
  /** An access token as Entra writes it for a managed identity; undefined removes a claim. */
  token(oid: string, claims?: object, header?: object): Promise<string>;
  /** A credential whose tokens have these claims. The SDK renews them `renewMs` after it got them; default: never. */
  credential(oid: string, options?: CredentialOptions): TokenCredential;
}

export interface CredentialOptions {
  /** Created for each token. */
  readonly claims?: () => object;
  readonly renewMs?: number;
}

/** The SDK renews a token two minutes before the end that the credential names. */
const SDK_RENEWS_BEFORE_MS = 120_000;

export async function startBusTokens(...assignments: readonly Assignment[]): Promise<BusTokens> {
  const directory = await temporaryDirectory();
  const accessFile = join(directory.path, "access.json");
  const pair = await newPair();
  const jwks = { keys: [pair.jwk] };

  const tokens: BusTokens = {
    accessFile,
    pair,
    list: (of = []) => ({
      issuer: ISSUER,
      audiences: ["https://servicebus.azure.net"],
      keys: { kind: "keys", keys: jwks },
      assignments: of,
    }),
    assign: (...each) => writeFile(accessFile, JSON.stringify({ issuer: ISSUER, jwks, assignments: each })),
    token(oid, claims = {}, header = {}) {
      const all = {
        aud: "https://servicebus.azure.net",
        iss: ISSUER,
        nbf: nowS(),
        exp: nowS() + 3_600,
        oid,
        ...claims,
      };
      const signer = new SignJWT(JSON.parse(JSON.stringify(all)) as Record<string, unknown>);
      return signer.setProtectedHeader({ alg: "RS256", typ: "JWT", kid: pair.kid, ...header }).sign(pair.privateKey);
    },
    credential: (oid, { claims = () => ({}), renewMs = 3_600_000 } = {}) => ({
      getToken: async () => ({
        token: await tokens.token(oid, claims()),
        expiresOnTimestamp: Date.now() + SDK_RENEWS_BEFORE_MS + renewMs,
      }),
    }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
  await tokens.assign(...assignments);
  return tokens;
}
