/**
 * Signs a user in by the authorization code flow with PKCE (RFC 7636): a browser goes to the issuer and comes back with a code,
 * which only the program that began can turn into tokens. Where the browser comes back to is the caller's business.
 */
import { JobServiceError } from "./job-service-error.ts";
import { publicClientOf, tokenOf, userScopes, type AccessToken } from "./credential.ts";
import { createIssuer, type IssuerOptions } from "./oauth.ts";
import type { CallOptions, Fetch } from "./transport.ts";
import type { EntraFacts } from "./trusted-authority.ts";

/** What a user's browser is sent to, and what it must bring back. */
export interface BrowserSignIn {
  readonly url: string;
  /** Of the answer's `state`: an answer without it belongs to another sign-in, or to nobody. */
  readonly state: string;
}

export interface BrowserSignInOptions extends CallOptions, IssuerOptions {
  /** Where the issuer sends the browser, with the answer in the query. Registered for the public client. */
  readonly redirectUri: string;
  /** Sends the browser there, and resolves with the query it comes back with. */
  readonly browse: (signIn: BrowserSignIn) => Promise<URLSearchParams>;
}

/** Throws SignInFailed when the user or the issuer refuses, or the answer is not to this sign-in. */
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
      // Who is signed in in the browser need not be who is meant.
      prompt: "select_account",
    },
    { signal },
  );
  const answer = await browse({ url, state });
  if (answer.get("state") !== state) throw refused("the answer is to another sign-in");
  const error = answer.get("error");
  if (error !== null) throw refused(answer.get("error_description") ?? error, error);
  const code = answer.get("code");
  if (code === null) throw refused("the answer has no code");
  const issued = await issuer.requestToken(
    { grant_type: "authorization_code", client_id, code, redirect_uri: redirectUri, code_verifier: verifier },
    { signal },
  );
  if (nonceOf(issued.idToken) !== nonce) throw refused("the token is of another sign-in");
  return { ...tokenOf(issued), refreshToken: issued.refreshToken };
}

/** 256 bits. */
const randomText = (): string => base64Url(crypto.getRandomValues(new Uint8Array(32)));

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** Of a token that came from the issuer itself: its signature says no more than the connection (OpenID Connect, 3.1.3.7). */
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
