/** `jobyard login`, `jobyard logout`: stores the sign-in. All other data comes from the service. */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import {
  JobServiceError,
  signInWithBrowser,
  signInWithDeviceCode,
  type EntraFacts,
  type Fetch,
} from "../../client/index.ts";
import { ADMIN_APPLICATION, DEMO_APPLICATION } from "../../local/identity/principals.ts";
import { show, tenantsOf } from "../command.ts";
import {
  AUTHORITY_VARIABLE,
  CLIENT_ID_VARIABLE,
  CLIENT_SECRET_VARIABLE,
  connect,
  factsOf,
  fetchFor,
  isSame,
  URL_VARIABLE,
} from "../connection.ts";
import { UsageError } from "../exit-codes.ts";
import { openBrowser } from "../../platform/open-browser.ts";
import { listenForCallback } from "../loopback-callback.ts";
import { signInFile, type SignIn } from "../sign-in-file.ts";
import type { Surroundings } from "../terminal.ts";

interface LoginOptions {
  readonly local?: true;
  readonly as: "demo" | "admin";
  readonly device?: true;
  readonly clientId?: string;
  readonly caFile?: string;
  readonly authority?: string;
  readonly json?: true;
}

const LOCAL_URL = "http://127.0.0.1:7070";
const LOCAL_APPLICATIONS = { demo: DEMO_APPLICATION, admin: ADMIN_APPLICATION };

export async function login(options: LoginOptions, around: Surroundings, given: string | undefined): Promise<void> {
  const { env, terminal, signal } = around;
  const url = given ?? (env[URL_VARIABLE] || undefined) ?? (options.local ? LOCAL_URL : undefined);
  if (url === undefined) throw new UsageError("Add the service's address: jobyard login https://…, or use --local.");
  const facts = await factsOf(url, around);
  const caFile =
    options.caFile ?? (options.local ? join(env["JOBYARD_HOME"] ?? ".jobyard", "identity/ca.pem") : undefined);
  const authority = options.authority ?? env[AUTHORITY_VARIABLE];
  const where = {
    ...({ version: 2, url, facts } as const),
    ...(authority !== undefined && { authority }),
    ...(caFile !== undefined && { caFile: await existing(caFile) }),
  };
  const file = signInFile(env);

  const who = async (): Promise<Pick<SignIn, "who" | "token">> => {
    if (facts.kind === "none") return { who: { kind: "nobody" } };
    if (options.local && !options.device) {
      const { clientId, secret } = LOCAL_APPLICATIONS[options.as];
      return { who: { kind: "application", clientId, clientSecret: secret } };
    }
    // The application in the environment belongs to the service in the environment.
    const isOther = Boolean(env[URL_VARIABLE]) && !isSame(env[URL_VARIABLE], url);
    const clientId = options.clientId ?? (options.device || isOther ? undefined : env[CLIENT_ID_VARIABLE]);
    if (clientId !== undefined) {
      const clientSecret = env[CLIENT_SECRET_VARIABLE];
      if (clientSecret === undefined)
        throw new UsageError(`Set ${CLIENT_SECRET_VARIABLE} to the application's secret.`);
      return { who: { kind: "application", clientId, clientSecret } };
    }
    const signIn = options.device ? signInByCode : signInHere;
    const { refreshToken, ...token } = await signIn(facts, { authority, around, fetch: await fetchFor(where) });
    return { who: { kind: "user", ...(refreshToken !== undefined && { refreshToken }) }, token };
  };

  const before = await file.read().catch(() => undefined);
  await file.write({ ...where, ...(await who()) });
  try {
    // Checks without the environment that the stored sign-in works alone.
    const bare = { ...around, env: { XDG_CONFIG_HOME: env["XDG_CONFIG_HOME"], HOME: env["HOME"] } };
    const me = await (await connect({}, bare)).monitoring.getMe({ signal });
    const tenants = me.allTenants ? "every tenant" : tenantsOf(me).join(", ");
    show(
      terminal,
      options,
      { url, ...me },
      () => `Signed in at ${url} as ${me.name}, for ${tenants || "no tenant yet"}.`,
    );
  } catch (error) {
    // The earlier sign-in stays.
    await (before === undefined ? file.remove() : file.write(before));
    throw error;
  }
}

interface UserSignIn {
  readonly authority: string | undefined;
  readonly around: Surroundings;
  readonly fetch: Fetch;
}

const signInByCode = (facts: EntraFacts, { authority, around: { terminal, signal }, fetch }: UserSignIn) =>
  signInWithDeviceCode(facts, { onCode: ({ message }) => terminal.error(message), signal, authority }, fetch);

/** Time limit for the user. */
const BROWSER_SIGN_IN_MS = 10 * 60_000;

/** Signs in with this machine's browser, which is redirected to this process. */
async function signInHere(facts: EntraFacts, { authority, around: { terminal, signal, env }, fetch }: UserSignIn) {
  await using callback = await listenForCallback();
  const { redirectUri } = callback;
  const until = AbortSignal.any([signal, AbortSignal.timeout(BROWSER_SIGN_IN_MS)]);
  return await signInWithBrowser(
    facts,
    {
      redirectUri,
      signal: until,
      authority,
      browse({ url, state }) {
        terminal.error(`Sign in at:\n${url}\nIn a browser on another machine: jobyard login --device`);
        openBrowser(url, { env, platform: process.platform });
        return callback.answerTo(state, until).catch((error: unknown) => {
          signal.throwIfAborted();
          throw new JobServiceError("TimedOut", "The sign-in was not completed in time. Run jobyard login again.", {
            cause: error,
          });
        });
      },
    },
    fetch,
  );
}

async function existing(caFile: string): Promise<string> {
  try {
    return await realpath(caFile);
  } catch {
    throw new UsageError(
      `The file ${caFile} does not exist. Run this in the folder of npm start, or set the file with --ca-file.`,
    );
  }
}

export async function logout(_options: object, { terminal, env }: Surroundings): Promise<void> {
  const wasThere = await signInFile(env).remove();
  terminal.out(wasThere ? "Signed out." : "You were not signed in.");
}
