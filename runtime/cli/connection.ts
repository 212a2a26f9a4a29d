/** The service and credential of a command: from options, then the environment, then the last `jobyard login`. */
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
 * Sends a first request to the service, so that a command reports an outage early. Throws UsageError if the service's
 * address is unknown, SignInFailed if a secret must not be sent, NetworkFailed.
 */
export async function connect(
  options: ConnectionOptions,
  around: Surroundings,
  patience: Patience = QUICK,
): Promise<JobServiceClient> {
  const { address, fetch, credential } = await sessionOf(options, around);
  return clientAt(address, { ...patience, fetch, ...(credential && { credential }) });
}

/** The token that a command would send. Throws like `connect`, and UsageError if no sign-in is stored. */
export async function accessToken(options: ConnectionOptions, around: Surroundings): Promise<AccessToken> {
  const { address, credential } = await sessionOf(options, around);
  // Without scopes: the credential takes the scope from the service's data about its issuer.
  const token = await credential?.getToken([], { abortSignal: around.signal });
  if (!token) throw new UsageError(`You are not signed in at ${address}. Sign in with: jobyard login ${address}`);
  return token;
}

interface Session {
  readonly address: string;
  readonly fetch: Fetch;
  /** Undefined: not signed in there, or the service accepts no tokens. */
  readonly credential: TokenCredential | undefined;
}

async function sessionOf({ url }: ConnectionOptions, around: Surroundings): Promise<Session> {
  const { env, terminal } = around;
  const file = signInFile(env);
  const kept = await file.read();
  const address = url ?? (env[URL_VARIABLE] || undefined) ?? kept?.url;
  if (address === undefined)
    throw new UsageError(`The service's address is not set. Sign in with jobyard login, or set ${URL_VARIABLE}.`);
  const given = credentialsIn(env);
  // A secret is sent only to its own service.
  const isMeant = isSame(env[URL_VARIABLE], address);
  const known = kept !== undefined && isSame(kept.url, address) ? kept : undefined;
  if (given !== undefined && !isMeant && known === undefined) {
    terminal.error(
      `${CLIENT_SECRET_VARIABLE} belongs to the service in ${URL_VARIABLE} and was not sent to ${address}.`,
    );
  }
  const mine = isMeant && given !== undefined ? given : known;
  const facts = await factsOf(address, around);
  if (mine === undefined) return { address, fetch: watched(platformFetch, terminal), credential: undefined };
  if (mine === known) assertPinned(known, facts);
  const signIn: SignIn = { facts, ...mine, version: 2, url: address };
  const fetch = watched(await fetchFor(signIn), terminal);
  return { address, fetch, credential: credentialOf(signIn, { fetch, file: mine === known ? file : undefined }) };
}

/** How to sign in there. On this machine a refused connection is not retried. */
export async function factsOf(address: string, { terminal, signal }: Surroundings): Promise<AuthFacts> {
  const isHere = isLoopback(URL.parse(address)?.hostname ?? "");
  const retry = isHere ? { maxAttempts: 1 } : QUICK.retry;
  try {
    const client = clientAt(address, { ...QUICK, retry, fetch: watched(platformFetch, terminal) });
    return await client.getAuthFacts({ signal });
  } catch (error) {
    if (!isHere || !isJobServiceError(error) || error.reason !== "refused") throw error;
    throw new JobServiceError("NetworkFailed", `${error.message} Check that npm start is running.`, {
      reason: "refused",
      cause: error,
    });
  }
}

export type Patience = Pick<JobServiceClientOptions, "answerWithinMs" | "retry">;

/** A user waits at most 15 s for a service that is unavailable, tries included. */
const QUICK = {
  answerWithinMs: 7_000,
  retry: { maxAttempts: 5, giveUpAfterMs: 7_000 },
} satisfies Patience;

/** For slow operations: packages, whole batches. */
export const LONG: Patience = { retry: QUICK.retry };

const platformFetch: Fetch = (address, init) => fetch(address, init);

const SILENT_MS = 3_000;

/** Reports once, on a terminal, that a response takes long. */
function watched(fetch: Fetch, { screen, error }: Terminal): Fetch {
  if (screen === undefined) return fetch;
  let isSaid = false;
  return async (url, init) => {
    const timer = setTimeout(() => {
      if (!isSaid) error(`Waiting for ${new URL(url).origin} …`);
      isSaid = true;
    }, SILENT_MS);
    try {
      return await fetch(url, init);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Whether two addresses mean the same service. */
export function isSame(one: string | undefined, other: string): boolean {
  const [a, b] = [one ?? "", other].map((text) => URL.parse(text)?.href.replace(/\/+$/, ""));
  return a !== undefined && a === b;
}

/** An attacker who controls the service could name another issuer and receive the secret. */
function assertPinned(signIn: SignIn, facts: AuthFacts): void {
  // Ignores fields that a newer service may add.
  if (isDeepStrictEqual(signIn.facts, authFactsSchema.safeParse(facts).data)) return;
  throw new JobServiceError(
    "SignInFailed",
    "The service names another issuer, directory or application than when you signed in. Nothing was sent. " +
      "If you expect this change, sign in again with: jobyard login",
  );
}

/** Throws UsageError for an invalid address. */
function clientAt(url: string, options: JobServiceClientOptions): JobServiceClient {
  try {
    return new JobServiceClient(url, options);
  } catch {
    throw new UsageError(`${url} must be an http or https address.`);
  }
}

/** Uses the local issuer's certificate, if there is one. */
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
  /** Stores tokens for the next command. Undefined: nothing is stored. */
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
  /** Used once. A second request means that it was refused. */
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

/** A command must not start with a token that expires while it runs. */
const LEFT_MS = 5 * 60_000;
