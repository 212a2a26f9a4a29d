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

/** What a web page keeps, for itself alone, while the issuer has its window. */
export interface StartedSignIn extends BrowserSignIn {
  readonly redirectUri: string;
  readonly nonce: string;
  /** Proves to the issuer that the code is for this sign-in. */
  readonly verifier: string;
}

export interface StartSignInOptions extends CallOptions, IssuerOptions {
  /** Registered for the public client; of a web page, as a single-page application. */
  readonly redirectUri: string;
  /** Where the response is. Servers do not see a fragment. Default: `query`. */
  readonly responseMode?: "query" | "fragment" | undefined;
  /** Show the issuer's list of accounts even to a user who is signed in there. Default: no. */
  readonly selectAccount?: boolean | undefined;
}

export type SignedInUser = AccessToken & { readonly refreshToken: string | undefined };

/** Throws SignInFailed if the user or the issuer refuses, or if the response belongs to another sign-in. */
export async function signInWithBrowser(
  facts: EntraFacts,
  { redirectUri, browse, signal, authority }: BrowserSignInOptions,
  fetch: Fetch,
): Promise<SignedInUser> {
  // The user may want another account than the one that the browser is signed in with.
  const options = { redirectUri, selectAccount: true, signal, authority };
  const started = await startSignIn(facts, options, fetch);
  const answer = await browse({ url: started.url, state: started.state });
  return finishSignIn(facts, started, answer, { signal, authority }, fetch);
}

/** The first step of a page's own sign-in: the page goes to `url`, and calls `finishSignIn` when it is back. */
export async function startSignIn(
  facts: EntraFacts,
  { redirectUri, responseMode = "query", selectAccount = false, signal, authority }: StartSignInOptions,
  fetch: Fetch,
): Promise<StartedSignIn> {
  const [verifier, state, nonce] = [randomText(), randomText(), randomText()];
  const url = await createIssuer(facts, fetch, { authority }).authorizationUrl(
    {
      client_id: publicClientOf(facts),
      response_type: "code",
      response_mode: responseMode,
      redirect_uri: redirectUri,
      scope: userScopes(facts),
      state,
      nonce,
      code_challenge: base64Url(
        new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))),
      ),
      code_challenge_method: "S256",
      ...(selectAccount && { prompt: "select_account" }),
    },
    { signal },
  );
  return { url, redirectUri, state, nonce, verifier };
}

/** `answer`: the query or fragment with which the browser has come back. Throws as `signInWithBrowser` does. */
export async function finishSignIn(
  facts: EntraFacts,
  { redirectUri, state, nonce, verifier }: Omit<StartedSignIn, "url">,
  answer: URLSearchParams,
  { signal, authority }: CallOptions & IssuerOptions,
  fetch: Fetch,
): Promise<SignedInUser> {
  if (answer.get("state") !== state) throw refused("the response belongs to another sign-in");
  const error = answer.get("error");
  if (error !== null) throw refused(answer.get("error_description") ?? error, error);
  const code = answer.get("code");
  if (code === null) throw refused("the response has no code");
  const issued = await createIssuer(facts, fetch, { authority }).requestToken(
    {
      grant_type: "authorization_code",
      client_id: publicClientOf(facts),
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    },
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
