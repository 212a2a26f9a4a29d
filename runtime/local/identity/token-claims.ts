/** The claims of the tokens, as Entra's v2 endpoint writes them. Pure. */
import { createHash } from "node:crypto";
import { USER_SCOPE } from "../../core/auth-facts.ts";
import { API_CLIENT_ID, DIRECTORY_ID, type LocalApplication, type LocalUser } from "./principals.ts";

export type TokenClaims = Readonly<Record<string, unknown>>;

/** The shortest life Entra gives an access token. */
export const TOKEN_LIFE_S = 3_600;

const times = (nowS: number): TokenClaims => ({ iat: nowS, nbf: nowS, exp: nowS + TOKEN_LIFE_S });

const rolesOf = ({ roles }: LocalApplication | LocalUser): TokenClaims => (roles.length > 0 ? { roles } : {});

/** A user's subject differs from client to client, so that no two can compare whom they know. */
const pairwise = (principalId: string, clientId: string): string =>
  createHash("sha256").update(`${principalId} ${clientId}`).digest("base64url");

export const applicationToken = (application: LocalApplication, issuer: string, nowS: number): TokenClaims => ({
  aud: API_CLIENT_ID,
  iss: issuer,
  ...times(nowS),
  azp: application.clientId,
  azpacr: "1",
  idtyp: "app",
  oid: application.principalId,
  ...rolesOf(application),
  sub: application.principalId,
  tid: DIRECTORY_ID,
  ver: "2.0",
});

export const userToken = (user: LocalUser, clientId: string, issuer: string, nowS: number): TokenClaims => ({
  aud: API_CLIENT_ID,
  iss: issuer,
  ...times(nowS),
  azp: clientId,
  azpacr: "0",
  name: user.name,
  oid: user.principalId,
  preferred_username: user.userName,
  ...rolesOf(user),
  scp: USER_SCOPE,
  sub: pairwise(user.principalId, API_CLIENT_ID),
  tid: DIRECTORY_ID,
  ver: "2.0",
});

/** Tells the client who signed in; opens nothing. */
export const idToken = (
  user: LocalUser,
  { clientId, nonce }: { readonly clientId: string; readonly nonce: string | undefined },
  issuer: string,
  nowS: number,
): TokenClaims => ({
  aud: clientId,
  iss: issuer,
  ...times(nowS),
  name: user.name,
  ...(nonce !== undefined && { nonce }),
  oid: user.principalId,
  preferred_username: user.userName,
  sub: pairwise(user.principalId, clientId),
  tid: DIRECTORY_ID,
  ver: "2.0",
});
