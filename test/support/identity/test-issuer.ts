/** A token issuer over real HTTPS. A test can make it fail, and have any claims signed. */
import { createServer } from "node:https";
import { readFile } from "node:fs/promises";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";
import type { EntraSettings } from "../../../runtime/core/http/auth-facts.ts";
import { caFileOf, certificateIn } from "../../../runtime/local/identity/certificate.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

export const DIRECTORY = "11111111-1111-4111-8111-111111111111";
export const API_CLIENT = "22222222-2222-4222-8222-222222222222";
export const USER = "33333333-3333-4333-8333-333333333333";
export const APPLICATION = "44444444-4444-4444-8444-444444444444";

/** `hang`: takes the request and never answers. `broken`: what is no JSON. `no-keys`: JSON, but no key set. */
type Mood = "well" | "hang" | "broken" | "no-keys" | "error";

export interface SigningPair {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export interface TestIssuer extends AsyncDisposable {
  readonly settings: EntraSettings;
  readonly ca: string;
  readonly issuer: string;
  /** Requests for the key set so far. */
  readonly keySetRequests: number;
  mood: Mood;
  /** Signs with it from now on, and publishes nothing else. */
  rotate(): Promise<SigningPair>;
  /** The pair that is published. */
  readonly pair: SigningPair;
  /** A token as Entra writes it for a user; claims and header can be replaced, undefined removes one. */
  token(claims?: object, header?: object, privateKey?: CryptoKey | Uint8Array): Promise<string>;
}

let nextKey = 1;

export async function newPair(kid = `key-${nextKey++}`): Promise<SigningPair> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: "sig", alg: "RS256" } };
}

export const nowS = (): number => Math.floor(Date.now() / 1_000);

export async function startTestIssuer(): Promise<TestIssuer> {
  const directory = await temporaryDirectory();
  const server = createServer(await certificateIn(directory.path, Date.now()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The issuer has no port.");
  const authority = `https://127.0.0.1:${address.port}`;
  const issuer = `${authority}/${DIRECTORY}/v2.0`;
  const state = { mood: "well" as Mood, keySetRequests: 0, pair: await newPair() };

  server.on("request", (request, response) => {
    const isKeySet = request.url?.endsWith("/keys") ?? false;
    if (isKeySet) state.keySetRequests++;
    if (state.mood === "hang") return;
    if (state.mood === "error") response.statusCode = 500;
    const body = isKeySet
      ? state.mood === "no-keys"
        ? { message: "later" }
        : { keys: [state.pair.jwk] }
      : { issuer, jwks_uri: `${authority}/${DIRECTORY}/keys` };
    response.end(state.mood === "broken" && isKeySet ? '{"keys":[' : JSON.stringify(body));
  });

  return {
    settings: {
      kind: "entra",
      authority,
      tenantId: DIRECTORY,
      clientId: API_CLIENT,
      audiences: [],
      publicClientId: undefined,
      pageAuthority: undefined,
      caFile: caFileOf(directory.path),
    },
    ca: await readFile(caFileOf(directory.path), "utf8"),
    issuer,
    get keySetRequests() {
      return state.keySetRequests;
    },
    get mood() {
      return state.mood;
    },
    set mood(mood) {
      state.mood = mood;
    },
    get pair() {
      return state.pair;
    },
    async rotate() {
      state.pair = await newPair();
      return state.pair;
    },
    async token(claims = {}, header = {}, privateKey = state.pair.privateKey) {
      const all = { ...userClaims(issuer), ...claims };
      const signer = new SignJWT(JSON.parse(JSON.stringify(all)) as Record<string, unknown>);
      const head = { alg: "RS256", typ: "JWT", kid: state.pair.kid, ...header };
      return signer.setProtectedHeader(head).sign(privateKey);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await directory[Symbol.asyncDispose]();
    },
  };
}

export const userClaims = (iss: string): Record<string, unknown> => ({
  aud: API_CLIENT,
  iss,
  iat: nowS(),
  nbf: nowS(),
  exp: nowS() + 3_600,
  azp: "55555555-5555-4555-8555-555555555555",
  name: "Ursula User",
  oid: USER,
  preferred_username: "ursula@example.org",
  roles: ["Jobs.Read"],
  scp: "access_as_user",
  sub: "pairwise",
  tid: DIRECTORY,
  ver: "2.0",
});

/** What makes a token one of an application that signed in by itself. */
export const APPLICATION_CLAIMS = {
  oid: APPLICATION,
  sub: APPLICATION,
  scp: undefined,
  name: undefined,
  preferred_username: undefined,
  roles: ["Jobs.Submit"],
};
