/**
 * `POST /{tenant}/oauth2/v2.0/token`: checks each kind of grant and issues its tokens, with the claims that Entra's v2
 * endpoint writes. Errors have the form of RFC 6749.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import * as z from "zod";
import { USER_SCOPE } from "../../core/http/auth-facts.ts";
import type { KeyRing } from "./key-ring.ts";
import {
  API_CLIENT_ID,
  APPLICATIONS,
  DIRECTORY_ID,
  type LocalApplication,
  type LocalUser,
  PUBLIC_CLIENT_ID,
} from "./principals.ts";
import type { SignIns } from "./sign-ins.ts";

export interface TokenAnswer {
  readonly token_type: "Bearer";
  readonly expires_in: number;
  readonly ext_expires_in: number;
  readonly access_token: string;
  readonly scope?: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
}

export interface TokenEndpointDeps {
  readonly keys: KeyRing;
  readonly signIns: SignIns;
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

const API_SCOPE = `api://${API_CLIENT_ID}/${USER_SCOPE}`;
const DEFAULT_SCOPE = `api://${API_CLIENT_ID}/.default`;
/** Scopes that request an ID token, a refresh token, and names. */
const OPENID_SCOPES: readonly string[] = ["openid", "offline_access", "profile", "email"];

const FORM = z.object({
  grant_type: z.string(),
  client_id: z.string(),
  client_secret: z.string().optional(),
  scope: z.string().optional(),
  code: z.string().optional(),
  redirect_uri: z.string().optional(),
  code_verifier: z.string().optional(),
  refresh_token: z.string().optional(),
  device_code: z.string().optional(),
});
type Form = z.infer<typeof FORM>;

export function createTokenEndpoint({
  keys,
  signIns,
  issuer,
  nowMs,
}: TokenEndpointDeps): (body: unknown) => TokenAnswer {
  const nowS = (): number => Math.floor(nowMs() / 1_000);

  const answer = (accessToken: string): TokenAnswer => ({
    token_type: "Bearer",
    expires_in: TOKEN_LIFE_S,
    ext_expires_in: TOKEN_LIFE_S,
    access_token: accessToken,
  });

  function forUser(user: LocalUser, clientId: string, scopes: readonly string[], nonce?: string): TokenAnswer {
    return {
      ...answer(keys.sign(userToken(user, clientId, issuer, nowS()))),
      scope: scopes.join(" "),
      ...(scopes.includes("offline_access") && { refresh_token: signIns.renewals.issue({ user, clientId, scopes }) }),
      ...(scopes.includes("openid") && { id_token: keys.sign(idToken(user, { clientId, nonce }, issuer, nowS())) }),
    };
  }

  function clientCredentials({ client_id, client_secret, scope }: Form): TokenAnswer {
    const application = authenticateApplication(client_id, client_secret);
    if (scope !== DEFAULT_SCOPE) throw new OAuthError("invalid_scope", `The scope must be ${DEFAULT_SCOPE}.`);
    return answer(keys.sign(applicationToken(application, issuer, nowS())));
  }

  function authorizationCode({ client_id, code, redirect_uri, code_verifier }: Form): TokenAnswer {
    checkPublicClient(client_id);
    const authorization = signIns.authorizations.take(code ?? "");
    const isGenuine =
      authorization?.clientId === client_id &&
      authorization.redirectUri === redirect_uri &&
      sha256(code_verifier ?? "").toString("base64url") === authorization.codeChallenge;
    if (!isGenuine) throw new OAuthError("invalid_grant", "The code, its redirect URI or its verifier is wrong.");
    return forUser(authorization.user, client_id, authorization.scopes, authorization.nonce);
  }

  function refreshToken({ client_id, refresh_token }: Form): TokenAnswer {
    checkPublicClient(client_id);
    const renewal = signIns.renewals.take(refresh_token ?? "");
    if (renewal?.clientId !== client_id) throw new OAuthError("invalid_grant", "The refresh token is not valid.");
    return forUser(renewal.user, client_id, renewal.scopes);
  }

  function deviceCode({ client_id, device_code = "" }: Form): TokenAnswer {
    checkPublicClient(client_id);
    const request = signIns.devices.peek(device_code);
    if (request?.clientId !== client_id) throw new OAuthError("expired_token", "The device code has expired.");
    if (request.user === undefined) throw new OAuthError("authorization_pending", "The user has not signed in yet.");
    signIns.devices.take(device_code);
    return forUser(request.user, client_id, request.scopes);
  }

  return (body) => {
    const form = FORM.safeParse(body);
    if (!form.success) throw new OAuthError("invalid_request", "The form must contain grant_type and client_id.");
    switch (form.data.grant_type) {
      case "client_credentials":
        return clientCredentials(form.data);
      case "authorization_code":
        return authorizationCode(form.data);
      case "refresh_token":
        return refreshToken(form.data);
      case "urn:ietf:params:oauth:grant-type:device_code":
        return deviceCode(form.data);
      default:
        throw new OAuthError("unsupported_grant_type", "This grant type is not supported.");
    }
  };
}

/** Throws OAuthError for scopes of another API. */
export function readUserScopes(text: string | undefined): readonly string[] {
  const scopes = (text ?? "").split(" ").filter((scope) => scope !== "");
  const forApi = scopes.filter((scope) => !OPENID_SCOPES.includes(scope));
  if (forApi.length === 0 || forApi.some((scope) => scope !== API_SCOPE && scope !== DEFAULT_SCOPE)) {
    throw new OAuthError("invalid_scope", `The scope must be ${API_SCOPE}, beside ${OPENID_SCOPES.join(", ")}.`);
  }
  return scopes;
}

/** Throws OAuthError unless it is the public client, which users sign in with. */
export function checkPublicClient(clientId: string | undefined): void {
  if (clientId !== PUBLIC_CLIENT_ID) throw new OAuthError("unauthorized_client", "This is not the public client.");
}

/** Throws OAuthError unless id and secret belong to an application. */
export function authenticateApplication(clientId: string, secret: string | undefined): LocalApplication {
  const application = APPLICATIONS.find((known) => known.clientId === clientId);
  if (application === undefined || !isSame(application.secret, secret ?? "")) {
    throw new OAuthError("invalid_client", "No application has this client id and secret.");
  }
  return application;
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();
const isSame = (a: string, b: string): boolean => timingSafeEqual(sha256(a), sha256(b));

/** The claims of a token, as Entra's v2 endpoint writes them. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/** The shortest life of an Entra access token. */
const TOKEN_LIFE_S = 3_600;

const times = (nowS: number): TokenClaims => ({ iat: nowS, nbf: nowS, exp: nowS + TOKEN_LIFE_S });

const rolesOf = ({ roles }: LocalApplication | LocalUser): TokenClaims => (roles.length > 0 ? { roles } : {});

/** A user has a different subject for each client, so that clients cannot compare users. */
const pairwise = (principalId: string, clientId: string): string =>
  createHash("sha256").update(`${principalId} ${clientId}`).digest("base64url");

const applicationToken = (application: LocalApplication, issuer: string, nowS: number): TokenClaims => ({
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

const userToken = (user: LocalUser, clientId: string, issuer: string, nowS: number): TokenClaims => ({
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

/** Identifies the user to the client. Grants no access. */
const idToken = (
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

type OAuthErrorCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "invalid_scope"
  | "unauthorized_client"
  | "unsupported_grant_type"
  | "authorization_pending"
  | "expired_token";

/** An error of an OAuth endpoint, by RFC 6749. */
export class OAuthError extends Error {
  override readonly name = "OAuthError";
  readonly code: OAuthErrorCode;

  constructor(code: OAuthErrorCode, description: string) {
    super(description);
    this.code = code;
  }

  get status(): number {
    return this.code === "invalid_client" ? 401 : 400;
  }
}
