/** Which service a command talks to, and as whom: options before environment before the last `jobyard login`. */
import { readFile } from "node:fs/promises";
import {
  clientSecretCredential,
  JobServiceClient,
  refreshTokenCredential,
  type AccessToken,
  type Fetch,
  type TokenCredential,
} from "../client/index.ts";
import type { AuthFacts } from "../core/auth-facts.ts";
import { issuerFetch } from "../local/identity/issuer-fetch.ts";
import { UsageError } from "./exit-codes.ts";
import { signInFile, type SignIn, type SignInFile } from "./sign-in-file.ts";
import type { Surroundings } from "./terminal.ts";

export const URL_VARIABLE = "JOBYARD_URL";
export const CLIENT_ID_VARIABLE = "JOBYARD_CLIENT_ID";
export const CLIENT_SECRET_VARIABLE = "JOBYARD_CLIENT_SECRET";

export interface ConnectionOptions {
  readonly url?: string;
}

/** Throws UsageError when nothing says where the service is. */
export async function connect({ url }: ConnectionOptions, { env }: Surroundings): Promise<JobServiceClient> {
  const file = signInFile(env);
  const kept = await file.read();
  const address = url ?? env[URL_VARIABLE] ?? kept?.url;
  if (address === undefined)
    throw new UsageError(`No service is known. Sign in with jobyard login, or set ${URL_VARIABLE}.`);
  const signIn = fromEnvironment(env, address) ?? (kept?.url === address ? kept : undefined);
  if (signIn === undefined) return clientAt(address);
  const fetch = await fetchFor(signIn);
  const facts = await clientAt(address, { fetch }).getAuthFacts();
  const credential = credentialOf(signIn, facts, { fetch, file: signIn === kept ? file : undefined });
  return clientAt(address, { fetch, ...(credential && { credential }) });
}

/** A person waits some seconds for a service that is away, not half a minute. */
const PATIENCE = { maxAttempts: 5 };

/** Throws UsageError for what is no address. */
export function clientAt(
  url: string,
  options: ConstructorParameters<typeof JobServiceClient>[1] = {},
): JobServiceClient {
  try {
    return new JobServiceClient(url, { retry: PATIENCE, ...options });
  } catch {
    throw new UsageError(`${url} is not an http(s) address.`);
  }
}

/** With the local issuer's certificate, when there is one. */
export async function fetchFor({ url, caFile }: Pick<SignIn, "url" | "caFile">): Promise<Fetch> {
  const platform: Fetch = (address, init) => fetch(address, init);
  if (caFile === undefined) return platform;
  const facts = await clientAt(url).getAuthFacts();
  return facts.kind === "none" ? platform : issuerFetch(facts.authority, await readFile(caFile, "utf8"));
}

function fromEnvironment(env: Surroundings["env"], url: string): SignIn | undefined {
  const clientId = env[CLIENT_ID_VARIABLE];
  const clientSecret = env[CLIENT_SECRET_VARIABLE];
  if (clientId === undefined || clientSecret === undefined) return undefined;
  const caFile = env["JOBYARD_CA_FILE"];
  return { version: 1, url, ...(caFile && { caFile }), who: { kind: "application", clientId, clientSecret } };
}

interface CredentialDeps {
  readonly fetch: Fetch;
  /** Keeps tokens for the next command. Undefined: nothing is kept. */
  readonly file: SignInFile | undefined;
}

function credentialOf(signIn: SignIn, facts: AuthFacts, { fetch, file }: CredentialDeps): TokenCredential | undefined {
  if (facts.kind === "none" || signIn.who.kind === "nobody") return undefined;
  let current = signIn;
  const keep = async (changed: Partial<SignIn>): Promise<void> => {
    current = { ...current, ...changed };
    await file?.write(current);
  };
  const { who } = signIn;
  const source =
    who.kind === "application"
      ? clientSecretCredential(facts, who, fetch)
      : refreshTokenCredential(
          facts,
          {
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
