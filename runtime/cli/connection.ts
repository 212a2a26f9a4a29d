/** Which service a command talks to, and as whom: options before environment before the last `jobyard login`. */
import { readFile } from "node:fs/promises";
import {
  clientSecretCredential,
  isJobServiceError,
  JobServiceError,
  JobServiceClient,
  refreshTokenCredential,
  type AccessToken,
  type Fetch,
  type JobServiceClientOptions,
  type TokenCredential,
} from "../client/index.ts";
import { isDeepStrictEqual } from "node:util";
import { authFactsSchema, type AuthFacts } from "../core/http/auth-facts.ts";
import { isLoopback } from "../core/loopback.ts";
import { issuerFetch } from "../local/identity/issuer-client.ts";
import { UsageError } from "./exit-codes.ts";
import { signInFile, type SignIn, type SignInFile } from "./sign-in-file.ts";
import type { Surroundings, Terminal } from "./terminal.ts";

export const URL_VARIABLE = "JOBYARD_URL";
export const CLIENT_ID_VARIABLE = "JOBYARD_CLIENT_ID";
export const CLIENT_SECRET_VARIABLE = "JOBYARD_CLIENT_SECRET";
export const AUTHORITY_VARIABLE = "JOBYARD_AUTHORITY";

export interface ConnectionOptions {
  readonly url?: string;
}

/**
 * Asks the service for a sign of life before anything else, so that a command says soon when there is none. Throws
 * UsageError when nothing says where the service is, SignInFailed when a secret must not be sent, NetworkFailed.
 */
export async function connect(
  { url }: ConnectionOptions,
  around: Surroundings,
  patience: Patience = QUICK,
): Promise<JobServiceClient> {
  const { env, terminal } = around;
  const file = signInFile(env);
  const kept = await file.read();
  const address = url ?? (env[URL_VARIABLE] || undefined) ?? kept?.url;
  if (address === undefined)
    throw new UsageError(`No service is known. Sign in with jobyard login, or set ${URL_VARIABLE}.`);
  const given = credentialsIn(env);
  // The secret of one service is none of another's business.
  const isMeant = isSame(env[URL_VARIABLE], address);
  const known = kept !== undefined && isSame(kept.url, address) ? kept : undefined;
  if (given !== undefined && !isMeant && known === undefined) {
    terminal.error(
      `${CLIENT_SECRET_VARIABLE} is for the service that ${URL_VARIABLE} names, and not sent to ${address}.`,
    );
  }
  const mine = isMeant && given !== undefined ? given : known;
  const facts = await factsOf(address, around);
  if (mine === undefined) return clientAt(address, { ...patience, fetch: watched(platformFetch, terminal) });
  if (mine === known) assertPinned(known, facts);
  const signIn: SignIn = { facts, ...mine, version: 2, url: address };
  const fetch = watched(await fetchFor(signIn), terminal);
  const credential = credentialOf(signIn, { fetch, file: mine === known ? file : undefined });
  return clientAt(address, { ...patience, fetch, ...(credential && { credential }) });
}

/** How to sign in there. On this machine nothing that refuses a connection is waited for. */
export async function factsOf(address: string, { terminal, signal }: Surroundings): Promise<AuthFacts> {
  const isHere = isLoopback(URL.parse(address)?.hostname ?? "");
  const retry = isHere ? { maxAttempts: 1 } : QUICK.retry;
  try {
    const client = clientAt(address, { ...QUICK, retry, fetch: watched(platformFetch, terminal) });
    return await client.getAuthFacts({ signal });
  } catch (error) {
    if (!isHere || !isJobServiceError(error) || error.reason !== "refused") throw error;
    throw new JobServiceError("NetworkFailed", `${error.message} Is npm start running?`, {
      reason: "refused",
      cause: error,
    });
  }
}

export type Patience = Pick<JobServiceClientOptions, "answerWithinMs" | "retry">;

/** A person waits a quarter of a minute for a service that is away: an answer that does not come, and tries after it. */
const QUICK = {
  answerWithinMs: 7_000,
  retry: { maxAttempts: 5, giveUpAfterMs: 7_000 },
} satisfies Patience;

/** For what the service has long to do for: packages, whole batches. */
export const LONG: Patience = { retry: QUICK.retry };

const platformFetch: Fetch = (address, init) => fetch(address, init);

const SILENT_MS = 3_000;

/** Says once, where somebody watches, that an answer takes long. */
function watched(fetch: Fetch, { screen, error }: Terminal): Fetch {
  if (screen === undefined) return fetch;
  let isSaid = false;
  return async (url, init) => {
    const timer = setTimeout(() => {
      if (!isSaid) error(`Waiting for ${new URL(url).origin} to answer …`);
      isSaid = true;
    }, SILENT_MS);
    try {
      return await fetch(url, init);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The same service, however its address is written. */
export function isSame(one: string | undefined, other: string): boolean {
  const [a, b] = [one ?? "", other].map((text) => URL.parse(text)?.href.replace(/\/+$/, ""));
  return a !== undefined && a === b;
}

/** Whoever has taken the service over could name an issuer of his own, and get the secret. */
function assertPinned(signIn: SignIn, facts: AuthFacts): void {
  // Without what a newer service says beside.
  if (isDeepStrictEqual(signIn.facts, authFactsSchema.safeParse(facts).data)) return;
  throw new JobServiceError(
    "SignInFailed",
    "The service names another issuer, directory or application than when you signed in, and got nothing from you. " +
      "If this change is known to you, sign in anew with: jobyard login",
  );
}

/** Throws UsageError for what is no address. */
function clientAt(url: string, options: JobServiceClientOptions): JobServiceClient {
  try {
    return new JobServiceClient(url, options);
  } catch {
    throw new UsageError(`${url} is not an http(s) address.`);
  }
}

/** With the local issuer's certificate, when there is one. */
export async function fetchFor({ facts, caFile }: Pick<SignIn, "facts" | "caFile">): Promise<Fetch> {
  if (caFile === undefined || facts.kind === "none") return platformFetch;
  return issuerFetch(facts.authority, await readFile(caFile, "utf8"));
}

function credentialsIn(env: Surroundings["env"]): Pick<SignIn, "caFile" | "authority" | "who"> | undefined {
  const clientId = env[CLIENT_ID_VARIABLE];
  const clientSecret = env[CLIENT_SECRET_VARIABLE];
  if (!clientId || !clientSecret) return undefined;
  const caFile = env["JOBYARD_CA_FILE"];
  const authority = env[AUTHORITY_VARIABLE];
  return {
    ...(caFile && { caFile }),
    ...(authority && { authority }),
    who: { kind: "application", clientId, clientSecret },
  };
}

interface CredentialDeps {
  readonly fetch: Fetch;
  /** Keeps tokens for the next command. Undefined: nothing is kept. */
  readonly file: SignInFile | undefined;
}

function credentialOf(signIn: SignIn, { fetch, file }: CredentialDeps): TokenCredential | undefined {
  const { facts, authority } = signIn;
  if (facts.kind === "none" || signIn.who.kind === "nobody") return undefined;
  let current = signIn;
  const keep = async (changed: Partial<SignIn>): Promise<void> => {
    current = { ...current, ...changed };
    await file?.write(current);
  };
  const { who } = signIn;
  const source =
    who.kind === "application"
      ? clientSecretCredential(facts, { ...who, authority }, fetch)
      : refreshTokenCredential(
          facts,
          {
            authority,
            refreshToken: who.refreshToken ?? "",
            onRefreshToken: (refreshToken) => keep({ who: { kind: "user", refreshToken } }),
          },
          fetch,
        );
  /** Given once: whoever asks again was refused with it. */
  let kept: AccessToken | undefined = signIn.token;
  return {
    async getToken(scopes, options) {
      const usable = kept;
      kept = undefined;
      if (usable !== undefined && usable.expiresOnTimestamp > Date.now() + LEFT_MS) return usable;
      const token = await source.getToken(scopes, options);
      if (token !== null) await keep({ token });
      return token;
    },
  };
}

/** A command should not begin with a token that ends in its middle. */
const LEFT_MS = 5 * 60_000;
