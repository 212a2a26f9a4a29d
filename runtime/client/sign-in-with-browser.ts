/**
 * Signs a user in by the authorization code flow with PKCE (RFC 7636): a browser goes to the issuer and returns with a code
 * that only this program can exchange for tokens. The caller receives the redirected browser.
 */
import { JobServiceError } from "./job-service-error.ts";
import { publicClientOf, tokenOf, userScopes, type AccessToken } from "./credential.ts";
import { createIssuer, type IssuerOptions } from "./oauth.ts";
import type { CallOptions, Fetch } from "./transport.ts";
import type { EntraFacts } from "./trusted-authority.ts";

/** The address for the user's browser, and the expected response. */
export interface BrowserSignIn {
  readonly url: string;
  /** The response's `state`. A response with another one belongs to another sign-in. */
  readonly state: string;
}

export interface BrowserSignInOptions extends CallOptions, IssuerOptions {
  /** The issuer redirects the browser here, with the response in the query. Registered for the public client. */
  readonly redirectUri: string;
  /** Opens the address in the browser. Resolves to the query of the redirect. */
  readonly browse: (signIn: BrowserSignIn) => Promise<URLSearchParams>;
}

/** Throws SignInFailed if the user or the issuer refuses, or if the response belongs to another sign-in. */
export async function signInWithBrowser(
  facts: EntraFacts,
  { redirectUri, browse, signal, authority }: BrowserSignInOptions,
  fetch: Fetch,
): Promise<AccessToken & { readonly refreshToken: string | undefined }> {
  const issuer = createIssuer(facts, fetch, { authority });
  const client_id = publicClientOf(facts);
  const [verifier, state, nonce] = [randomText(), randomText(), randomText()];
  const url = await issuer.authorizationUrl(
    {
      client_id,
      response_type: "code",
      response_mode: "query",
      redirect_uri: redirectUri,
      scope: userScopes(facts),
      state,
      nonce,
      code_challenge: base64Url(
        new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))),
      ),
      code_challenge_method: "S256",
      // The user may want another account than the one that the browser is signed in with.
      prompt: "select_account",
    },
    { signal },
  );
  const answer = await browse({ url, state });
  if (answer.get("state") !== state) throw refused("the response belongs to another sign-in");
  const error = answer.get("error");
  if (error !== null) throw refused(answer.get("error_description") ?? error, error);
  const code = answer.get("code");
  if (code === null) throw refused("the response has no code");
  const issued = await issuer.requestToken(
    { grant_type: "authorization_code", client_id, code, redirect_uri: redirectUri, code_verifier: verifier },
    { signal },
  );
  if (nonceOf(issued.idToken) !== nonce) throw refused("the token belongs to another sign-in");
  return { ...tokenOf(issued), refreshToken: issued.refreshToken };
}

/** 256 bits. */
const randomText = (): string => base64Url(crypto.getRandomValues(new Uint8Array(32)));

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** Reads a token received directly from the issuer, so TLS replaces the signature check (OpenID Connect, 3.1.3.7). */
function nonceOf(idToken: string | undefined): unknown {
  try {
    const [, claims = ""] = (idToken ?? "").split(".");
    return (JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { nonce?: unknown }).nonce;
  } catch {
    return undefined;
  }
}

const refused = (why: string, code?: string): JobServiceError =>
  new JobServiceError("SignInFailed", `The sign-in failed: ${why}.`, { target: code });
