/** The local issuer over its own HTTPS, called as any client calls it. */
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identityOf } from "../../../runtime/api/auth/identity.ts";
import { certificateIn } from "../../../runtime/local/identity/certificate.ts";
import {
  NotLoopbackError,
  startIdentityServer,
  type IdentityServer,
} from "../../../runtime/local/identity/identity-server.ts";
import { openKeyRing } from "../../../runtime/local/identity/key-ring.ts";
import {
  ADMIN_APPLICATION,
  API_CLIENT_ID,
  APPLICATIONS,
  DEMO_APPLICATION,
  DIRECTORY_ID,
  PUBLIC_CLIENT_ID,
  USERS,
} from "../../../runtime/local/identity/principals.ts";
import { signInAs } from "../../../runtime/local/identity/issuer-client.ts";
import { oneTimeLink } from "../../../runtime/local/identity/one-time-link.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

const DAY_MS = 24 * 60 * 60_000;
const USER_SCOPES = `openid offline_access api://${API_CLIENT_ID}/access_as_user`;
const REDIRECT = "http://127.0.0.1:7070/signed-in";

/** Headers that browsers send for a form or a link of another page. */
const FROM_ELSEWHERE: readonly Record<string, string>[] = [
  { origin: "https://evil.example" },
  { origin: "null" },
  { origin: "http://localhost:5173" },
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
];

let home: TemporaryDirectory;
let server: IdentityServer;
let ca: string;

const fail = (error: unknown): void => {
  throw error;
};

beforeAll(async () => {
  home = await temporaryDirectory();
  server = await startIdentityServer({ directory: join(home.path, "identity"), port: 0, onFailure: fail });
  ca = await readFile(server.caFile, "utf8");
});
afterAll(async () => {
  await server.close();
  await home[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
  readonly json: Record<string, string>;
}

function ask(path: string, form?: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${server.authority}${path}`,
      {
        ca,
        agent: false,
        headers: { ...headers, ...(form && { "content-type": "application/x-www-form-urlencoded" }) },
        ...(form && { method: "POST" }),
      },
      (response) => {
        let text = "";
        response.on("data", (chunk) => (text += String(chunk)));
        response.once("end", () => {
          const isJson = response.headers["content-type"]?.includes("json") ?? false;
          const json = (isJson ? JSON.parse(text) : {}) as Record<string, string>;
          resolve({ status: response.statusCode ?? 0, location: response.headers.location, text, json });
        });
      },
    );
    sent.once("error", reject);
    sent.end(form && new URLSearchParams(form).toString());
  });
}

const tokenOf = (form: Record<string, string>): Promise<Answer> => ask(`/${DIRECTORY_ID}/oauth2/v2.0/token`, form);

async function claimsOf(token: string | undefined): Promise<Record<string, unknown>> {
  const { json } = await ask(`/${DIRECTORY_ID}/discovery/v2.0/keys`);
  const { payload } = await jwtVerify(token ?? "", createLocalJWKSet(json as unknown as JSONWebKeySet), {
    issuer: `${server.authority}/${DIRECTORY_ID}/v2.0`,
  });
  return payload;
}

const clientCredentials = {
  grant_type: "client_credentials",
  client_id: DEMO_APPLICATION.clientId,
  client_secret: DEMO_APPLICATION.secret,
  scope: `api://${API_CLIENT_ID}/.default`,
};

describe("the local issuer", () => {
  it("publishes metadata that lead to its public keys only", async () => {
    const { json } = await ask(`/${DIRECTORY_ID}/v2.0/.well-known/openid-configuration`);
    expect(json["issuer"]).toBe(`${server.authority}/${DIRECTORY_ID}/v2.0`);
    const keys = await ask(new URL(json["jwks_uri"]!).pathname);
    expect(keys.text).not.toMatch(/"(d|p|q|dp|dq|qi)":/);
  });

  it("issues an application a token like Entra's", async () => {
    const { status, json } = await tokenOf(clientCredentials);
    expect(status).toBe(200);
    expect(decodeProtectedHeader(json["access_token"]!)).toMatchObject({ alg: "RS256", typ: "JWT" });
    const claims = await claimsOf(json["access_token"]);
    expect(claims).toMatchObject({
      aud: API_CLIENT_ID,
      azp: DEMO_APPLICATION.clientId,
      idtyp: "app",
      oid: DEMO_APPLICATION.principalId,
      sub: DEMO_APPLICATION.principalId,
      roles: ["Jobs.Submit"],
      tid: DIRECTORY_ID,
      ver: "2.0",
    });
    expect(Number(claims["exp"]) - Number(claims["nbf"])).toBe(3_600);
    expect(identityOf(claims, DIRECTORY_ID)).toMatchObject({ kind: "application" });
  });

  it.each<[string, Record<string, string>, string]>([
    ["a wrong secret", { client_secret: "guess" }, "invalid_client"],
    ["no secret", { client_secret: "" }, "invalid_client"],
    ["an unknown client", { client_id: PUBLIC_CLIENT_ID }, "invalid_client"],
    ["a scope of something else", { scope: "https://graph.microsoft.com/.default" }, "invalid_scope"],
    ["a grant it does not know", { grant_type: "password" }, "unsupported_grant_type"],
    ["a made-up code", { grant_type: "authorization_code", client_id: PUBLIC_CLIENT_ID, code: "x" }, "invalid_grant"],
    ["a made-up refresh token", { grant_type: "refresh_token", client_id: PUBLIC_CLIENT_ID }, "invalid_grant"],
  ])("refuses %s", { tags: "attack/tokens" }, async (_what, changes, error) => {
    const { status, json } = await tokenOf({ ...clientCredentials, ...changes });
    expect({ status, error: json["error"] }).toEqual({ status: error === "invalid_client" ? 401 : 400, error });
  });

  it("signs a user in on a page: choose, code, proof, tokens, renewal", async () => {
    const verifier = randomBytes(32).toString("base64url");
    const query = new URLSearchParams({
      client_id: PUBLIC_CLIENT_ID,
      response_type: "code",
      redirect_uri: REDIRECT,
      scope: USER_SCOPES,
      state: "<state>",
      nonce: "n-1",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    });
    const page = await ask(`/${DIRECTORY_ID}/oauth2/v2.0/authorize?${query.toString()}`);
    for (const { name } of USERS) expect(page.text).toContain(name);
    expect(page.text).not.toContain("<state>");
    const href = /href="([^"]*rita[^"]*)"/.exec(page.text)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const { location = "" } = await ask(href);
    const returned = new URL(location);
    expect(`${returned.origin}${returned.pathname}`).toBe(REDIRECT);
    expect(returned.searchParams.get("state")).toBe("<state>");

    const form = {
      grant_type: "authorization_code",
      client_id: PUBLIC_CLIENT_ID,
      redirect_uri: REDIRECT,
      code: returned.searchParams.get("code") ?? "",
      code_verifier: verifier,
    };
    const { json } = await tokenOf(form);
    expect(await claimsOf(json["access_token"])).toMatchObject({
      aud: API_CLIENT_ID,
      scp: "access_as_user",
      preferred_username: "rita@jobyard.local",
      roles: ["Jobs.Read"],
    });
    expect(identityOf(await claimsOf(json["access_token"]), DIRECTORY_ID)).toMatchObject({ kind: "user" });
    const id = await claimsOf(json["id_token"]);
    expect(id).toMatchObject({ aud: PUBLIC_CLIENT_ID, nonce: "n-1" });
    expect(() => identityOf(id, DIRECTORY_ID)).toThrow();
    // A code can be used once.
    expect((await tokenOf(form)).json["error"]).toBe("invalid_grant");

    const renewal = { grant_type: "refresh_token", client_id: PUBLIC_CLIENT_ID, refresh_token: json["refresh_token"]! };
    const renewed = await tokenOf(renewal);
    expect(await claimsOf(renewed.json["access_token"])).toMatchObject({ name: "Rita Reader" });
    expect((await tokenOf(renewal)).json["error"]).toBe("invalid_grant");
  });

  it("issues no token for a stolen code without its verifier", { tags: "attack/tokens" }, async () => {
    const query = new URLSearchParams({
      client_id: PUBLIC_CLIENT_ID,
      response_type: "code",
      redirect_uri: REDIRECT,
      scope: USER_SCOPES,
      code_challenge: createHash("sha256").update("right").digest("base64url"),
      code_challenge_method: "S256",
      login: USERS[0]!.userName,
    });
    const { location = "" } = await ask(`/${DIRECTORY_ID}/oauth2/v2.0/authorize?${query.toString()}`);
    const code = new URL(location).searchParams.get("code") ?? "";
    const form = { grant_type: "authorization_code", client_id: PUBLIC_CLIENT_ID, redirect_uri: REDIRECT, code };
    expect((await tokenOf({ ...form, code_verifier: "wrong" })).json["error"]).toBe("invalid_grant");
  });

  it.each([
    ["https://evil.example/", "redirect_uri"],
    ["http://127.0.0.1.evil.example/", "redirect_uri"],
    ["javascript:alert(1)", "redirect_uri"],
  ])("sends no code to %s", { tags: "attack/addresses" }, async (redirect_uri) => {
    const query = new URLSearchParams({
      client_id: PUBLIC_CLIENT_ID,
      response_type: "code",
      redirect_uri,
      scope: USER_SCOPES,
      code_challenge: "x".repeat(43),
      code_challenge_method: "S256",
      login: USERS[0]!.userName,
    });
    const answer = await ask(`/${DIRECTORY_ID}/oauth2/v2.0/authorize?${query.toString()}`);
    expect(answer).toMatchObject({ status: 400, location: undefined });
  });

  it("signs a device in with a code typed on another screen", async () => {
    const start = { client_id: PUBLIC_CLIENT_ID, scope: USER_SCOPES };
    const { json } = await ask(`/${DIRECTORY_ID}/oauth2/v2.0/devicecode`, start);
    const form = {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      client_id: PUBLIC_CLIENT_ID,
      device_code: json["device_code"]!,
    };
    expect((await tokenOf(form)).json["error"]).toBe("authorization_pending");
    expect((await ask("/device")).text).toContain("user_code");
    const sam = { login: "sam@jobyard.local" };
    expect((await ask("/device?user_code=WRONG")).status).toBe(404);
    expect((await ask("/device", { user_code: "WRONG", ...sam })).status).toBe(404);
    const typed = json["user_code"]!.toLowerCase();
    // Opening the link changes nothing, whatever it contains.
    const shown = await ask(`/device?user_code=${typed}&login=sam@jobyard.local`);
    expect(shown).toMatchObject({ status: 200, text: expect.stringContaining('method="post"') as string });
    expect(shown.text).toContain(`name="user_code" value="${json["user_code"]!}"`);
    expect((await tokenOf(form)).json["error"]).toBe("authorization_pending");
    expect((await ask("/device", { user_code: typed, login: "nobody@jobyard.local" })).status).toBe(400);
    for (const headers of FROM_ELSEWHERE) {
      // Refused by the rule for all local servers, or by the page's own.
      expect([400, 403]).toContain((await ask("/device", { user_code: typed, ...sam }, headers)).status);
      expect((await tokenOf(form)).json["error"]).toBe("authorization_pending");
    }
    const own = { origin: server.authority, "sec-fetch-site": "same-origin" };
    expect((await ask("/device", { user_code: typed, ...sam }, own)).text).toContain("Sam Submitter");
    const { json: tokens } = await tokenOf(form);
    expect(await claimsOf(tokens["access_token"])).toMatchObject({ name: "Sam Submitter" });
    expect((await tokenOf(form)).json["error"]).toBe("expired_token");
  });

  it("does not let a page of another origin choose the user", { tags: "attack/hosts" }, async () => {
    const query = new URLSearchParams({
      ...{ client_id: PUBLIC_CLIENT_ID, response_type: "code", redirect_uri: REDIRECT, scope: USER_SCOPES },
      ...{ code_challenge: "c".repeat(43), code_challenge_method: "S256", login: USERS[0]!.userName },
    });
    const path = `/${DIRECTORY_ID}/oauth2/v2.0/authorize?${query.toString()}`;
    for (const headers of FROM_ELSEWHERE) {
      const answer = await ask(path, undefined, headers);
      expect(answer).toMatchObject({ status: 200, location: undefined });
      expect(answer.text).toContain("Choose a user");
    }
    for (const site of ["same-origin", "none"]) {
      expect((await ask(path, undefined, { "sec-fetch-site": site })).location).toContain("code=");
    }
  });

  it("gives an administrator's program a code that signs a user in once, for pages without TLS too", async () => {
    const place = { apiUrl: "http://127.0.0.1:7070", issuer: server };
    const [address = "", link = ""] = (await oneTimeLink(place)).split("#one-time=");
    const [code = "", proof = ""] = link.split(".");
    expect(address).toBe("http://127.0.0.1:7070/");
    const form = new URLSearchParams({
      ...{ grant_type: "authorization_code", client_id: PUBLIC_CLIENT_ID, redirect_uri: address },
      ...{ code, code_verifier: proof },
    });
    const redeem = (): Promise<Response> =>
      fetch(`${server.pageAuthority}/${DIRECTORY_ID}/oauth2/v2.0/token`, { method: "POST", body: form });
    const issued = (await (await redeem()).json()) as { access_token: string };
    // The token names the one issuer, whichever address it was got from.
    expect(await claimsOf(issued.access_token)).toMatchObject({ preferred_username: "ada@jobyard.local" });
    expect((await redeem()).status).toBe(400);
    const asDemo = { client_id: DEMO_APPLICATION.clientId, client_secret: DEMO_APPLICATION.secret };
    const wanted = { login: "ada@jobyard.local", scope: `api://${API_CLIENT_ID}/access_as_user`, nonce: "n" };
    const challenge = { redirect_uri: address, code_challenge: "c".repeat(43) };
    const refused = await ask(`/${DIRECTORY_ID}/one-time-code`, { ...asDemo, ...wanted, ...challenge });
    expect([refused.status, refused.json["error"]]).toEqual([400, "unauthorized_client"]);
  });

  it("rotates its keys on request, and older tokens stay valid", async () => {
    const before = (await tokenOf(clientCredentials)).json["access_token"]!;
    const rotate = (application: { clientId: string; secret: string }): Promise<Answer> =>
      ask(`/${DIRECTORY_ID}/rotate-keys`, { client_id: application.clientId, client_secret: application.secret });
    expect((await rotate(DEMO_APPLICATION)).status).toBe(400);
    expect((await rotate(ADMIN_APPLICATION)).status).toBe(200);
    const after = (await tokenOf(clientCredentials)).json["access_token"]!;
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
    await claimsOf(before);
    await claimsOf(after);
  });

  it("signs in our own programs once for many requests", async () => {
    const authorize = signInAs(ADMIN_APPLICATION, server);
    const [one, two] = await Promise.all([authorize(), authorize()]);
    expect(one).toBe(two);
    expect(await claimsOf(one.replace("Bearer ", ""))).toMatchObject({ roles: ["Jobs.Admin"] });
  });

  it("is trusted only by its own authority's certificate", async () => {
    await expect(
      new Promise((resolve, reject) => {
        request(server.authority, { agent: false }, resolve).once("error", reject).end();
      }),
    ).rejects.toMatchObject({ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
  });

  it.each(["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])(
    "does not start on %s",
    { tags: "attack/hosts" },
    async (host) => {
      const options = { directory: join(home.path, "never"), port: 0, host, onFailure: fail };
      await expect(startIdentityServer(options)).rejects.toThrow(NotLoopbackError);
    },
  );
});

describe("the local issuer's stored data", () => {
  it("is readable only by this user, and the authority's key is not stored", async () => {
    const directory = join(home.path, "identity");
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of ["ca.pem", "server.pem", "server-key.pem", "signing-keys.json"]) {
      expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    }
    const leaf = new X509Certificate(await readFile(join(directory, "server.pem")));
    const authority = new X509Certificate(ca);
    expect(authority.ca && !leaf.ca && leaf.checkIssued(authority)).toBe(true);
    expect(leaf.subjectAltName).toContain("127.0.0.1");
  });

  it("is used again: the certificate until it nears its expiry, keys for tokens signed by them", async () => {
    await using own = await temporaryDirectory();
    const now = Date.now();
    const first = await certificateIn(own.path, now);
    expect(await certificateIn(own.path, now + 300 * DAY_MS)).toEqual(first);
    expect((await certificateIn(own.path, now + 380 * DAY_MS)).cert).not.toBe(first.cert);
    await writeFile(join(own.path, "ca.pem"), "broken");
    expect((await certificateIn(own.path, now)).cert).toContain("BEGIN CERTIFICATE");

    const ring = await openKeyRing(own.path, Date.now);
    const again = await openKeyRing(own.path, Date.now);
    expect(again.publicKeys()).toEqual(ring.publicKeys());
  });

  it("publishes a replaced key for a day", async () => {
    await using own = await temporaryDirectory();
    let now = 0;
    const ring = await openKeyRing(own.path, () => now);
    await ring.rotate();
    expect(ring.publicKeys().length).toBe(2);
    now = DAY_MS;
    await ring.rotate();
    expect(ring.publicKeys().length).toBe(2);
  });
});

describe("the local principals", () => {
  it("differ in all ids", () => {
    const ids = [
      DIRECTORY_ID,
      API_CLIENT_ID,
      PUBLIC_CLIENT_ID,
      ...APPLICATIONS.flatMap(({ clientId, principalId }) => [clientId, principalId]),
      ...USERS.map(({ principalId }) => principalId),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});
