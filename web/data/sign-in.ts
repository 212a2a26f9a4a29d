/**
 * Signs the user in: authorization code with PKCE at the issuer that the API names, without cookies. The access token is in
 * memory alone. The refresh token is in this tab's session storage, so that a reload needs no sign-in; it changes at each use.
 */
import {
  finishSignIn,
  JobServiceClient,
  refreshTokenCredential,
  startSignIn,
  type AuthFacts,
  type SignedInUser,
  type StartedSignIn,
  type TokenCredential,
} from "../../runtime/client/index.ts";
import { isLoopback } from "../../runtime/core/loopback.ts";

type EntraFacts = Extract<AuthFacts, { kind: "entra" }>;

export interface SignedIn {
  readonly client: JobServiceClient;
  /** Whether callers have names here. */
  readonly hasUsers: boolean;
  /** The system of this machine, with its issuer of users without passwords. */
  readonly isLocal: boolean;
  /** Forgets the user in this tab, and begins another sign-in. */
  readonly signInAgain: () => Promise<void>;
}

const PENDING = "jobyard.sign-in";
const REFRESH = "jobyard.refresh";
/** In the fragment of the link that `npm start` prints. */
const ONE_TIME = "one-time";
/** A page shows what is wrong. It does not wait as long as a program. */
const RETRY = { maxAttempts: 3 };

const plainFetch = (url: string, init?: RequestInit): Promise<Response> => fetch(url, init);

/** What is kept while the issuer has this window. */
interface Pending extends Omit<StartedSignIn, "url"> {
  /** The address to return to. */
  readonly at: string;
}

/**
 * Resolves when a user is signed in; undefined: the window goes to the issuer. Throws SignInFailed and NetworkFailed.
 * `fragment`: of the address with which the window was opened.
 */
export async function openSession(fragment: URLSearchParams): Promise<SignedIn | undefined> {
  const facts = await new JobServiceClient(location.origin, { retry: RETRY }).getAuthFacts();
  if (facts.kind === "none") {
    const client = new JobServiceClient(location.origin, { retry: RETRY });
    return { client, hasUsers: false, isLocal: true, signInAgain: () => Promise.resolve() };
  }
  const own = forPages(facts);
  const user = await answered(own, fragment);
  const refreshToken = user?.refreshToken ?? sessionStorage.getItem(REFRESH) ?? undefined;
  const signInAgain = (): Promise<void> => leave(own);
  if (user === undefined && refreshToken === undefined) {
    await signInAgain();
    return undefined;
  }
  const client = new JobServiceClient(location.origin, {
    credential: credentialOf(own, user, refreshToken),
    retry: RETRY,
  });
  return { client, hasUsers: true, isLocal: isLocal(own), signInAgain };
}

/** Pages cannot be told to trust the certificate of the local issuer, so it has another address for them. */
const forPages = (facts: EntraFacts): EntraFacts => ({ ...facts, authority: facts.pageAuthority ?? facts.authority });

const isLocal = ({ authority }: EntraFacts): boolean => isLoopback(new URL(authority).hostname);

/** The fragment, which holds secrets and must not stay in the address or the history. */
export function takeFragment(): URLSearchParams {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (fragment.has("state") || fragment.has(ONE_TIME)) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  return fragment;
}

/** The user with whom the window comes back; undefined: it does not come from the issuer. */
async function answered(facts: EntraFacts, fragment: URLSearchParams): Promise<SignedInUser | undefined> {
  // Only where every program of the machine can sign in anyway. Else a link could sign its reader in as its writer.
  const link = isLocal(facts) ? fragment.get(ONE_TIME) : null;
  if (link !== null) {
    const [code = "", proof = ""] = link.split(".");
    const answer = new URLSearchParams({ code, state: "" });
    const started = { redirectUri: redirectUri(), state: "", nonce: proof, verifier: proof };
    // A link that was used or is too old leads to the ordinary sign-in.
    return keep(await finishSignIn(facts, started, answer, {}, plainFetch).catch(() => undefined));
  }
  const stored = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  if (stored === null || !fragment.has("state")) return undefined;
  const pending = JSON.parse(stored) as Pending;
  history.replaceState(null, "", pending.at);
  return keep(await finishSignIn(facts, pending, fragment, {}, plainFetch));
}

function keep(user: SignedInUser | undefined): SignedInUser | undefined {
  if (user?.refreshToken !== undefined) sessionStorage.setItem(REFRESH, user.refreshToken);
  return user;
}

const redirectUri = (): string => `${location.origin}/`;

async function leave(facts: EntraFacts): Promise<void> {
  const options = { redirectUri: redirectUri(), responseMode: "fragment" } as const;
  const { url, ...started } = await startSignIn(facts, options, plainFetch);
  const pending: Pending = { ...started, at: location.pathname + location.search };
  sessionStorage.removeItem(REFRESH);
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  location.assign(url);
}

/** The token of the sign-in first, then renewed ones. */
function credentialOf(facts: EntraFacts, user: SignedInUser | undefined, refreshToken?: string): TokenCredential {
  let first = user;
  const renewed =
    refreshToken === undefined
      ? undefined
      : refreshTokenCredential(
          facts,
          { refreshToken, onRefreshToken: (next) => sessionStorage.setItem(REFRESH, next) },
          plainFetch,
        );
  return {
    getToken(scopes, options) {
      const given = first;
      first = undefined;
      if (given !== undefined) return Promise.resolve(given);
      return renewed?.getToken(scopes, options) ?? Promise.resolve(null);
    },
  };
}
