/** The local issuer's app: the endpoints of Entra's v2 API that Jobyard and its clients use, for one directory. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import * as z from "zod";
import type { KeyRing } from "./key-ring.ts";
import {
  OAuthError,
  authenticateApplication,
  checkPublicClient,
  createTokenEndpoint,
  readUserScopes,
} from "./token-endpoint.ts";
import { chooseUserForm, chooseUserPage, enterCodePage, messagePage, PAGE_POLICY } from "./pages.ts";
import { DIRECTORY_ID, PUBLIC_CLIENT_ID, USERS } from "./principals.ts";
import { DEVICE_LIFE_MS, newUserCode, type DeviceRequest, type SignIns } from "./sign-ins.ts";

export interface IdentityAppDeps {
  readonly keys: KeyRing;
  /** Shared by the addresses of one issuer. */
  readonly signIns: SignIns;
  /** Its address: scheme, host, port. */
  readonly origin: string;
  /** The address that its tokens name. */
  readonly authority: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Called with unexpected errors. */
  readonly onFailure: (error: unknown) => void;
}

/** Minimum interval of a device's polls. */
const DEVICE_POLL_S = 1;
/** Codes are sent only to programs and pages on this machine. */
const LOOPBACK_URI = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/;

const AUTHORIZE_QUERY = z.object({
  client_id: z.string(),
  response_type: z.literal("code"),
  redirect_uri: z.string().regex(LOOPBACK_URI),
  scope: z.string(),
  state: z.string().optional(),
  nonce: z.string().optional(),
  response_mode: z.enum(["query", "fragment"]).default("query"),
  code_challenge: z.string().min(43),
  code_challenge_method: z.literal("S256"),
  /** The user, added by the page's links. */
  login: z.string().optional(),
});

const APPLICATION_FORM = z.object({ client_id: z.string(), client_secret: z.string() });

const ONE_TIME_CODE_FORM = APPLICATION_FORM.extend({
  login: z.string(),
  redirect_uri: z.string().regex(LOOPBACK_URI),
  scope: z.string(),
  nonce: z.string(),
  code_challenge: z.string().min(43),
});

export function createIdentityApp({ keys, signIns, origin, authority, nowMs, onFailure }: IdentityAppDeps): Express {
  const tenant = `/${DIRECTORY_ID}`;
  const issuer = `${authority}${tenant}/v2.0`;
  const token = createTokenEndpoint({ keys, signIns, issuer, nowMs });
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  app.use(allowLocalPages, express.urlencoded({ extended: false, limit: "32kb" }));

  app.get(`${tenant}/v2.0/.well-known/openid-configuration`, (_request, response) => {
    response.json(metadata(origin, issuer));
  });
  app.get(`${tenant}/discovery/v2.0/keys`, (_request, response) => {
    response.json({ keys: keys.publicKeys() });
  });
  app.post(`${tenant}/oauth2/v2.0/token`, (request, response) => {
    response.set("cache-control", "no-store").json(token(request.body));
  });

  app.get(`${tenant}/oauth2/v2.0/authorize`, (request, response) => {
    const query = readQuery(AUTHORIZE_QUERY, request.query);
    checkPublicClient(query.client_id);
    const scopes = readUserScopes(query.scope);
    // A link of another page may start a sign-in but must not choose the user.
    const login = isFromElsewhere(request, origin) ? undefined : query.login;
    const user = USERS.find(({ userName }) => userName === login);
    if (user === undefined) {
      sendPage(
        response,
        chooseUserPage(USERS, ({ userName }) => withQuery(request.url, "login", userName)),
      );
      return;
    }
    const code = signIns.authorizations.issue({
      user,
      clientId: query.client_id,
      redirectUri: query.redirect_uri,
      codeChallenge: query.code_challenge,
      scopes,
      nonce: query.nonce,
    });
    const answer = new URLSearchParams({ code, ...(query.state !== undefined && { state: query.state }) });
    const target = new URL(query.redirect_uri);
    if (query.response_mode === "fragment") target.hash = answer.toString();
    else for (const [name, value] of answer) target.searchParams.set(name, value);
    response.redirect(target.href);
  });

  app.post(`${tenant}/oauth2/v2.0/devicecode`, (request, response) => {
    const form = readQuery(z.object({ client_id: z.string(), scope: z.string() }), request.body);
    checkPublicClient(form.client_id);
    const userCode = newUserCode();
    const waiting: DeviceRequest = {
      clientId: form.client_id,
      scopes: readUserScopes(form.scope),
      userCode,
      user: undefined,
    };
    signIns.devicesByUserCode.issue(waiting, userCode);
    response.json({
      device_code: signIns.devices.issue(waiting),
      user_code: userCode,
      verification_uri: `${origin}/device`,
      expires_in: DEVICE_LIFE_MS / 1_000,
      interval: DEVICE_POLL_S,
      message: `To sign in, open ${origin}/device and enter the code ${userCode}.`,
    });
  });

  // Only shows a page and changes nothing, because browsers follow links and load images of any page.
  app.get("/device", (request, response) => {
    const { user_code: typed } = readQuery(z.object({ user_code: z.string().optional() }), request.query);
    if (typed === undefined) {
      sendPage(response, enterCodePage());
      return;
    }
    const userCode = userCodeOf(typed);
    if (signIns.devicesByUserCode.peek(userCode) === undefined) sendNoSuchCode(response);
    else sendPage(response, chooseUserForm(USERS, { action: "/device", fields: { user_code: userCode } }));
  });

  app.post("/device", (request, response) => {
    if (isFromElsewhere(request, origin))
      throw new OAuthError("invalid_request", "A device sign-in must come from this issuer's own page.");
    const form = readQuery(z.object({ user_code: z.string(), login: z.string() }), request.body);
    const userCode = userCodeOf(form.user_code);
    const waiting = signIns.devicesByUserCode.peek(userCode);
    const user = USERS.find(({ userName }) => userName === form.login);
    if (user === undefined) throw new OAuthError("invalid_request", "The user does not exist.");
    if (waiting === undefined) {
      sendNoSuchCode(response);
      return;
    }
    waiting.user = user;
    signIns.devicesByUserCode.take(userCode);
    sendPage(response, messagePage("Signed in", `The device is signed in as ${user.name}. You can close this page.`));
  });

  // Entra has no such endpoint. `npm start` prints a link with the code, which signs its user in once.
  app.post(`${tenant}/one-time-code`, (request, response) => {
    const form = readQuery(ONE_TIME_CODE_FORM, request.body);
    assertAdministrator(form);
    const user = USERS.find(({ userName }) => userName === form.login);
    if (user === undefined) throw new OAuthError("invalid_request", "The user does not exist.");
    const authorization = {
      user,
      clientId: PUBLIC_CLIENT_ID,
      redirectUri: form.redirect_uri,
      codeChallenge: form.code_challenge,
      scopes: readUserScopes(form.scope),
      nonce: form.nonce,
    };
    // Short, because people copy it.
    const code = signIns.authorizations.issue(authorization, randomBytes(16).toString("base64url"));
    response.set("cache-control", "no-store").json({ code });
  });

  // Entra has no such endpoint, because it rotates its keys itself.
  app.post(`${tenant}/rotate-keys`, async (request, response) => {
    assertAdministrator(readQuery(APPLICATION_FORM, request.body));
    await keys.rotate();
    response.json({ keys: keys.publicKeys() });
  });

  app.use((_request, response) => {
    response.status(404).json({ error: "not_found", error_description: "The local issuer has no such page." });
  });
  app.use(answerErrors(onFailure));
  return app;
}

function assertAdministrator({ client_id: clientId, client_secret: secret }: z.infer<typeof APPLICATION_FORM>): void {
  if (authenticateApplication(clientId, secret).roles.includes("Jobs.Admin")) return;
  throw new OAuthError("unauthorized_client", "This needs an application with the role Jobs.Admin.");
}

const metadata = (origin: string, issuer: string): object => ({
  issuer,
  authorization_endpoint: `${origin}/${DIRECTORY_ID}/oauth2/v2.0/authorize`,
  token_endpoint: `${origin}/${DIRECTORY_ID}/oauth2/v2.0/token`,
  device_authorization_endpoint: `${origin}/${DIRECTORY_ID}/oauth2/v2.0/devicecode`,
  jwks_uri: `${origin}/${DIRECTORY_ID}/discovery/v2.0/keys`,
  response_types_supported: ["code"],
  response_modes_supported: ["query", "fragment"],
  subject_types_supported: ["pairwise"],
  id_token_signing_alg_values_supported: ["RS256"],
  code_challenge_methods_supported: ["S256"],
  token_endpoint_auth_methods_supported: ["client_secret_post"],
  scopes_supported: ["openid", "profile", "email", "offline_access"],
});

/** As Entra does for pages: pages of this machine may call it, without cookies. */
const allowLocalPages: RequestHandler = (request, response, next) => {
  const { origin } = request.headers;
  if (origin !== undefined && LOOPBACK_URI.test(origin))
    response.set({ "access-control-allow-origin": origin, vary: "origin" });
  next();
};

function readQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const fields = [...new Set(parsed.error.issues.map(({ path }) => path.join(".") || "the request"))];
  throw new OAuthError("invalid_request", `Missing or invalid: ${fields.join(", ")}.`);
}

const userCodeOf = (typed: string): string => typed.trim().toUpperCase();

/**
 * Whether the request's headers show that another page has sent it. Browsers always send them with forms and links. A
 * program without them could request a token directly anyway.
 */
function isFromElsewhere({ headers }: IncomingMessage, own: string): boolean {
  const { origin, "sec-fetch-site": site } = headers;
  if (origin !== undefined && origin !== own) return true;
  return site !== undefined && site !== "same-origin" && site !== "none";
}

function withQuery(url: string, name: string, value: string): string {
  const [path = "", query = ""] = url.split("?");
  const parameters = new URLSearchParams(query);
  parameters.set(name, value);
  return `${path}?${parameters.toString()}`;
}

const sendPage = (response: Parameters<RequestHandler>[1], html: string): void => {
  response.set({ "content-security-policy": PAGE_POLICY, "cache-control": "no-store" }).type("html").send(html);
};

function sendNoSuchCode(response: Parameters<RequestHandler>[1]): void {
  response.status(404);
  sendPage(response, messagePage("Unknown code", "The code has expired or was mistyped."));
}

const answerErrors =
  (onFailure: IdentityAppDeps["onFailure"]): ErrorRequestHandler =>
  (thrown: unknown, _request, response, _next) => {
    const isOurs = thrown instanceof OAuthError;
    const status = isOurs ? thrown.status : statusOf(thrown);
    if (status >= 500) onFailure(thrown);
    response.status(status).json({
      error: isOurs ? thrown.code : status >= 500 ? "server_error" : "invalid_request",
      error_description: isOurs
        ? thrown.message
        : status >= 500
          ? "The local issuer failed."
          : "The body cannot be read.",
    });
  };

/** Errors of the body parser have a status. */
const statusOf = (thrown: unknown): number =>
  typeof thrown === "object" && thrown !== null && "status" in thrown && typeof thrown.status === "number"
    ? thrown.status
    : 500;
