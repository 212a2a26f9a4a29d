/** Tokens against the real API: over HTTP, with keys fetched over HTTPS. */
import { KeyObject, randomUUID, sign } from "node:crypto";
import { exportSPKI, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createGrantsCache } from "../../../../runtime/api/auth/grants-cache.ts";
import { UNKNOWN_KEY_FETCH_MS, createSigningKeys, httpsJson } from "../../../../runtime/api/auth/signing-keys.ts";
import { createIdentify } from "../../../../runtime/api/auth/identify.ts";
import { createTokenVerifier } from "../../../../runtime/api/auth/token-verifier.ts";
import { keepVerified } from "../../../../runtime/api/auth/verified-tokens.ts";
import { systemClock } from "../../../../runtime/core/clock.ts";
import { metadataUrlOf, type EntraSettings } from "../../../../runtime/core/http/auth-facts.ts";
import type { TenantAccess } from "../../../../runtime/core/http/access.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../../support/api/api-with-queue.ts";
import type { TestApi } from "../../../support/api/test-api.ts";
import {
  API_CLIENT,
  APPLICATION,
  APPLICATION_CLAIMS,
  DIRECTORY,
  newPair,
  nowS,
  startTestIssuer,
  USER,
  type TestIssuer,
} from "../../../support/identity/test-issuer.ts";
import { silentLog } from "../../../support/silent.ts";
import { freshTenant } from "../../../support/stores/test-storage.ts";

/** For an issuer that does not answer; any other has all the time a busy machine takes. */
const TIMEOUT_MS = 1_000;

let system: ApiWithQueue;
let issuer: TestIssuer;
const tenant = freshTenant();

const grantTo = (principalId: string, access: TenantAccess): Promise<void> =>
  system.api.tenants.putGrant({
    principalId,
    tenantName: tenant,
    access,
    name: "Granted",
    grantedAt: new Date(),
    grantedBy: "test",
  });

beforeAll(async () => {
  [system, issuer] = await Promise.all([startApiWithQueue(), startTestIssuer()]);
  await Promise.all([grantTo(USER, "manage"), grantTo(APPLICATION, "submit")]);
});
afterAll(async () => {
  await Promise.all([system[Symbol.asyncDispose](), issuer[Symbol.asyncDispose]()]);
});

/** An API that has not fetched any key, with a clock of its own for them. */
async function freshApi(overrides: Partial<EntraSettings> = {}, from = issuer, timeoutMs = 30_000) {
  const clock = { now: 0 };
  const settings = { ...from.settings, ...overrides };
  const keys = createSigningKeys({
    metadataUrl: metadataUrlOf(settings),
    issuer: from.issuer,
    fetchJson: (url) => httpsJson(url, { ca: from.ca, timeoutMs, maxBytes: 10_000 }),
    monotonicNow: () => clock.now,
    log: silentLog,
  });
  const grants = createGrantsCache({ store: system.api.tenants, monotonicNow: () => clock.now });
  const verify = keepVerified(createTokenVerifier({ settings, keys }), {
    now: systemClock.now,
    monotonicNow: () => clock.now,
  });
  const identify = createIdentify({ verify, grants });
  return { api: await system.another({ identify }), clock };
}

interface Answered {
  readonly status: number;
  readonly challenge: string | null;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

async function ask(
  api: TestApi,
  authorization: string | undefined,
  path = `/v1/batches?tenantName=${tenant}`,
): Promise<Answered> {
  const response = await fetch(`${api.url}${path}`, { headers: authorization === undefined ? {} : { authorization } });
  const body = (await response.json()) as { error?: { code: string; message: string } };
  return {
    status: response.status,
    challenge: response.headers.get("www-authenticate"),
    code: body.error?.code,
    message: body.error?.message,
  };
}

const bearer = async (token: string | Promise<string>): Promise<string> => `Bearer ${await token}`;
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a token", () => {
  let api: TestApi;
  beforeAll(async () => {
    ({ api } = await freshApi());
  });

  it.each<[string, object, object?]>([
    ["v2, as Entra writes it", {}],
    [
      "v1, with its issuer and the App ID URI as audience",
      { iss: `https://sts.windows.net/${DIRECTORY}/`, aud: `api://${API_CLIENT}` },
    ],
    ["of an application", APPLICATION_CLAIMS],
    ["that ended less than the clocks may differ ago", { exp: nowS() - 200, nbf: nowS() - 4_000, iat: nowS() - 4_000 }],
    ["that begins in less than the clocks may differ", { nbf: nowS() + 200 }],
    ["with the thumbprint of its certificate besides", {}, { x5t: "anything" }],
  ])("%s is accepted", async (_what, claims, header) => {
    expect(await ask(api, await bearer(issuer.token(claims, header)))).toMatchObject({ status: 200 });
  });

  it.each<[string, () => Promise<string | undefined>, RegExp]>([
    ["missing", () => Promise.resolve(undefined), /Send an access token/],
    ["of another scheme", () => Promise.resolve("Basic YTpi"), /must be Bearer/],
    ["empty", () => Promise.resolve("Bearer "), /must be Bearer|not a signed/],
    ["twice", async () => `Bearer ${await issuer.token()} x`, /must be Bearer/],
    ["malformed", () => bearer("abc"), /not a signed/],
    ["three dots of nothing", () => bearer("e30.e30.e30"), /not a signed/],
    ["of parts that are no JSON", () => bearer("!!!.???.***"), /not a signed/],
    ["as large as a book", () => bearer(`${"a".repeat(12_001)}.b.c`), /not a signed/],
    ["without a key id", () => bearer(issuer.token({}, { kid: undefined })), /not a signed/],
    ["expired", () => bearer(issuer.token({ exp: nowS() - 301, nbf: nowS() - 4_000 })), /expired/],
    ["without an end", () => bearer(issuer.token({ exp: undefined })), /not signed|token/],
    ["not yet valid", () => bearer(issuer.token({ nbf: nowS() + 400 })), /not valid yet/],
    [
      "for another audience",
      () => bearer(issuer.token({ aud: "00000003-0000-0000-c000-000000000000" })),
      /another audience/,
    ],
    ["for several audiences", () => bearer(issuer.token({ aud: [API_CLIENT, "other"] })), /another audience/],
    ["for our audience, as a list", () => bearer(issuer.token({ aud: [API_CLIENT] })), /another audience/],
    ["for our audience twice", () => bearer(issuer.token({ aud: [API_CLIENT, API_CLIENT] })), /another audience/],
    ["for a list within a list", () => bearer(issuer.token({ aud: [[API_CLIENT]] })), /another audience/],
    ["for no audience at all, as a list", () => bearer(issuer.token({ aud: [] })), /another audience/],
    ["for an audience that is an object", () => bearer(issuer.token({ aud: { 0: API_CLIENT } })), /another audience/],
    ["for an audience by another name", () => bearer(issuer.token({ aud: `spn:${API_CLIENT}` })), /another audience/],
    ["for an audience in other letters", () => bearer(issuer.token({ aud: `${API_CLIENT} ` })), /another audience/],
    ["of our issuer, as a list", () => bearer(issuer.token({ iss: [issuer.issuer] })), /another issuer/],
    ["that ends at no time", async () => bearer(await rewritten({ exp: "1e999" })), /not signed|not an access|lacks/],
    ["with crit of a parameter nobody knows", () => signedWith({ crit: ["x"], x: true }), /must not have crit/],
    ["with crit of what it does not have", () => signedWith({ crit: ["exp"] }), /must not have crit/],
    ["with crit that names nothing", () => signedWith({ crit: [] }), /must not have crit/],
    ["with crit that is no list", () => signedWith({ crit: null }), /must not have crit/],
    ["with crit and b64, as RFC 7797 has it", () => signedWith({ crit: ["b64"], b64: true }), /must not have crit/],
    ["with b64 alone", () => signedWith({ b64: false }), /must not have b64/],
    ["with b64 alone, written twice", () => signedHeader(withTwice("b64", "true")), /must not have b64/],
    ["with crit by an escaped name", () => signedHeader(withTwice("\\u0063rit", '["x"]')), /must not have crit/],
    ["with its algorithm twice", () => signedHeader(withTwice("alg", '"none"')), /RS256/],
    ["with its algorithm as a list", () => signedWith({ alg: ["RS256"] }), /not a signed/],
    ["with its algorithm in other letters", () => signedWith({ alg: "rs256" }), /RS256/],
    ["that says RS512", () => signedWith({ alg: "RS512" }), /RS256/],
    ["that says ES256", () => signedWith({ alg: "ES256" }), /RS256/],
    ["that says EdDSA", () => signedWith({ alg: "EdDSA" }), /RS256/],
    ["with a key id that is a path", () => signedWith({ kid: "../../../../dev/null" }), /not signed with a key/],
    ["with a key id that is an inherited name", () => signedWith({ kid: "__proto__" }), /not signed with a key/],
    ["with a key id that is a query", () => signedWith({ kid: "x' or '1'='1" }), /not signed with a key/],
    ["with a key id that is an object", () => signedWith({ kid: { toString: "x" } }), /not a signed/],
    ["with a key id as long as a page", () => signedWith({ kid: "k".repeat(201) }), /not a signed/],
    ["with a key id and a line of its own", () => signedWith({ kid: "k\r\nx: y" }), /not signed with a key/],
    ["with a key that it brings along", () => bringingKey("jwk"), /not signed/],
    ["with a key that it brings along, under a known id", () => bringingKey("jwk", true), /not signed/],
    ["of an ID token's kind", () => signedWith({ typ: "id+jwt" }), /JWT signed with RS256/],
    ["of a logout's kind", () => signedWith({ typ: "logout+jwt" }), /JWT signed with RS256/],
    ["encrypted", () => bearer("e30.e30.e30.e30.e30"), /not a signed/],
    ["signed twice, as JSON", () => bearer(encode({ payload: "e30", signatures: [] })), /not a signed/],
    ["with a line break within", async () => bearer((await issuer.token()).replace(".", ".\t")), /not a signed/],
    ["with base64 that is not for URLs", async () => bearer(`${await issuer.token()}==`), /not a signed/],
    [
      "with a signature of zeros",
      async () => bearer((await issuer.token()).replace(/[^.]+$/, "A".repeat(342))),
      /not s/,
    ],
    ["with one bit of its signature turned", async () => bearer(turned(await issuer.token())), /not signed/],
    ["with claims that are a list", () => signedClaims("[]"), /not a signed/],
    ["with claims that are null", () => signedClaims("null"), /not a signed/],
    ["with its audience twice, ours first", () => claimTwice("aud", '"other"'), /another audience/],
    ["with its issuer twice, ours first", () => claimTwice("iss", '"https://evil.example/v2.0"'), /another issuer/],
    ["with its end twice, the later first", () => claimTwice("exp", "1"), /expired/],
    ["that ends at a text", () => claimTwice("exp", `"${nowS() + 600}"`), /not signed|not an access|lacks/],
    ["that ends never", () => claimTwice("exp", "null"), /not signed|not an access|lacks/],
    ["that ended before 1970", () => claimTwice("exp", "-1"), /expired/],
    ["that ends at true", () => claimTwice("exp", "true"), /not signed|not an access|lacks/],
    ["that begins at a text", () => claimTwice("nbf", '"never"'), /not signed|not valid|begin/],
    ["that begins at no time", () => claimTwice("nbf", "1e999"), /not valid yet/],
    ["of our issuer with a slash more", () => claimTwice("iss", JSON.stringify(`${issuer.issuer}/`)), /another issuer/],
    [
      "of our issuer with a null behind",
      () => claimTwice("iss", JSON.stringify(`${issuer.issuer}\0`)),
      /another issuer/,
    ],
    ["with zip", () => signedWith({ zip: "DEF" }), /must not have zip/],
    ["with enc", () => signedWith({ enc: "A256GCM" }), /must not have enc/],
    ["with a header that is a list", () => signedHeader('["RS256"]'), /not a signed/],
    ["with a header that is null", () => signedHeader("null"), /not a signed/],
    ["without an audience", () => bearer(issuer.token({ aud: undefined })), /another audience/],
    ["of another issuer", () => bearer(issuer.token({ iss: "https://evil.example/v2.0" })), /another issuer/],
    [
      "of another directory's issuer",
      () => bearer(issuer.token({ iss: `https://sts.windows.net/${randomUUID()}/` })),
      /another issuer/,
    ],
    ["of a user of another directory", () => bearer(issuer.token({ tid: randomUUID() })), /another directory/],
    ["of a user, without our scope", () => bearer(issuer.token({ scp: "User.Read" })), /scope access_as_user/],
    ["that is an ID token", () => bearer(issuer.token({ scp: undefined, azp: undefined })), /not an access token/],
    ["without typ", () => bearer(issuer.token({}, { typ: undefined })), /JWT signed with RS256/],
    ["signed with PS256", async () => bearer(issuer.token({}, { alg: "PS256" }, await pssKey())), /RS256/],
    ["with a key nobody knows", () => bearer(issuer.token({}, { kid: "made-up" })), /not signed with a key/],
    [
      "signed with another key under a known id",
      async () => bearer(issuer.token({}, {}, (await newPair()).privateKey)),
      /not signed/,
    ],
    ["with claims exchanged after signing", async () => bearer(exchanged(await issuer.token())), /not signed/],
    ["with its signature cut off", async () => bearer((await issuer.token()).replace(/[^.]+$/, "")), /not a signed/],
    ["with alg none", () => bearer(unsigned("none")), /not a signed/],
    ["with alg none and some signature", () => bearer(`${unsigned("none")}AAAA`), /RS256/],
    ["with alg nOnE and some signature", () => bearer(`${unsigned("nOnE")}AAAA`), /RS256/],
    ["signed with HS256 and the public key as secret", async () => bearer(hmacWithPublicKey()), /RS256/],
  ])("%s is refused", { tags: "attack/tokens" }, async (_what, authorization, message) => {
    const sent = await authorization();
    // Where the library would write.
    const written = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write"));
    const answer = await ask(api, sent);
    const log = JSON.stringify(written.flatMap(({ mock }) => mock.calls.map(([chunk]) => String(chunk))));
    for (const spy of written) spy.mockRestore();
    for (const part of sent?.split(/[ .]/).filter((text) => text.length > 10) ?? []) expect(log).not.toContain(part);
    expect(log).not.toContain("ursula");
    expect(answer).toMatchObject({ status: 401, code: "Unauthenticated" });
    expect(answer.message).toMatch(message);
    expect(answer.challenge).toBe(
      sent === undefined ? 'Bearer realm="jobyard"' : 'Bearer realm="jobyard", error="invalid_token"',
    );
    if (sent !== undefined && sent.length > 20) expect(JSON.stringify(answer)).not.toContain(sent.slice(7));
  });

  it("a token in the query or the body is ignored", { tags: "attack/tokens" }, async () => {
    const token = await issuer.token();
    expect(await ask(api, undefined, `/v1/batches?tenantName=${tenant}&access_token=${token}`)).toMatchObject({
      status: 401,
    });
    const response = await fetch(`${api.url}/v1/batches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tenantName: tenant, batchName: "x", access_token: token }),
    });
    expect(response.status).toBe(401);
  });

  it("of one request never answers for another that comes at the same time", { tags: "attack/tokens" }, async () => {
    const good = await bearer(issuer.token());
    const bad = await bearer(exchanged(await issuer.token()));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(api, i % 3 === 0 ? bad : good)));
    answers.forEach(({ status }, i) => expect(status).toBe(i % 3 === 0 ? 401 : 200));
  });

  /** By our issuer's key, whatever its header says: libraries refuse to write most of these. */
  async function signedHeader(header: string, claims?: string): Promise<string> {
    const [, payload = ""] = (await issuer.token()).split(".");
    const text = `${Buffer.from(header).toString("base64url")}.${claims ?? payload}`;
    const key = KeyObject.from(issuer.pair.privateKey);
    return `Bearer ${text}.${sign("RSA-SHA256", Buffer.from(text), key).toString("base64url")}`;
  }
  const signedWith = (parameters: object): Promise<string> =>
    signedHeader(JSON.stringify({ alg: "RS256", typ: "JWT", kid: issuer.pair.kid, ...parameters }));

  const withTwice = (name: string, value: string): string =>
    `{"alg":"RS256","typ":"JWT","kid":${JSON.stringify(issuer.pair.kid)},"${name}":${value}}`;
  const HEADER = (): string => JSON.stringify({ alg: "RS256", typ: "JWT", kid: issuer.pair.kid });
  const signedClaims = (claims: string): Promise<string> =>
    signedHeader(HEADER(), Buffer.from(claims).toString("base64url"));

  /** All claims in order, and then one of them once more: who reads the last one must not be let in by the first. */
  async function claimTwice(name: string, value: string): Promise<string> {
    const [, payload = ""] = (await issuer.token()).split(".");
    const claims = Buffer.from(payload, "base64url").toString();
    return signedClaims(`${claims.slice(0, -1)},"${name}":${value}}`);
  }

  async function bringingKey(parameter: string, known = false): Promise<string> {
    const own = await newPair();
    const kid = known ? issuer.pair.kid : own.kid;
    return bearer(issuer.token({}, { kid, [parameter]: own.jwk }, own.privateKey));
  }

  function turned(token: string): string {
    const bytes = Buffer.from(token.split(".")[2] ?? "", "base64url");
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    return token.replace(/[^.]+$/, bytes.toString("base64url"));
  }

  it("a token that the test signs is accepted, so the refusals above are about the content", async () => {
    expect(await ask(api, await signedWith({}))).toMatchObject({ status: 200 });
    expect(await ask(api, await signedWith({ x5u: "https://evil.example/key", jwk: {} }))).toMatchObject({
      status: 200,
    });
  });

  /** Numbers as JavaScript would not write them. */
  async function rewritten({ exp }: { readonly exp: string }): Promise<string> {
    const [header = "", payload = ""] = (await issuer.token()).split(".");
    const claims = Buffer.from(payload, "base64url")
      .toString()
      .replace(/"exp":\d+/, `"exp":${exp}`);
    const sent = await signedHeader(
      Buffer.from(header, "base64url").toString(),
      Buffer.from(claims).toString("base64url"),
    );
    return sent.replace("Bearer ", "");
  }

  const unsigned = (alg: string): string =>
    `${encode({ alg, typ: "JWT", kid: issuer.pair.kid })}.${encode({ aud: API_CLIENT, iss: issuer.issuer, exp: nowS() + 600, oid: USER })}.`;

  async function pssKey() {
    const { privateKey } = await (await import("jose")).generateKeyPair("PS256");
    return privateKey;
  }

  async function hmacWithPublicKey(): Promise<string> {
    const key = await importJWK(issuer.pair.jwk, "RS256", { extractable: true });
    if (key instanceof Uint8Array) throw new Error("An RSA key is no bytes.");
    return issuer.token({}, { alg: "HS256" }, new TextEncoder().encode(await exportSPKI(key)));
  }

  function exchanged(token: string): string {
    const [header = "", payload = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    return `${header}.${encode({ ...claims, roles: ["Jobs.Admin"] })}.${signature}`;
  }
});

describe("a known caller", () => {
  let api: TestApi;
  beforeAll(async () => {
    ({ api } = await freshApi());
  });

  const post = async (token: string, path: string, body: object): Promise<number> => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    return (await fetch(`${api.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).status;
  };

  it("without a role is refused by name, whatever is granted", async () => {
    const answer = await ask(api, await bearer(issuer.token({ roles: undefined })));
    expect(answer).toMatchObject({
      status: 403,
      code: "Forbidden",
      challenge: 'Bearer realm="jobyard", error="insufficient_scope"',
    });
  });

  it("with a reader's role reads and adds nothing, although granted more", async () => {
    const token = await issuer.token({ roles: ["Jobs.Read"] });
    expect((await ask(api, `Bearer ${token}`)).status).toBe(200);
    expect(await post(token, "/v1/batches", { tenantName: tenant, batchName: "x" })).toBe(403);
  });

  it("submits where granted and sees no other tenant", async () => {
    const token = await issuer.token(APPLICATION_CLAIMS);
    expect(await post(token, "/v1/batches", { tenantName: tenant, batchName: "x" })).toBe(201);
    const other = freshTenant();
    expect(await post(token, "/v1/batches", { tenantName: other, batchName: "x" })).toBe(404);
    expect((await ask(api, `Bearer ${token}`, `/v1/batches?tenantName=${other}`)).status).not.toBe(403);
  });

  it("with Jobs.Admin acts for every tenant without a grant", async () => {
    const token = await issuer.token({ oid: randomUUID(), roles: ["Jobs.Admin"] });
    expect(await post(token, "/v1/batches", { tenantName: freshTenant(), batchName: "x" })).toBe(201);
  });
});

describe("the issuer", () => {
  it("rotates its keys: tokens of the new one are accepted at once", async () => {
    await using own = await startTestIssuer();
    const { api } = await freshApi({}, own);
    expect((await ask(api, await bearer(own.token()))).status).toBe(200);
    await own.rotate();
    expect((await ask(api, await bearer(own.token()))).status).toBe(200);
    expect(own.keySetRequests).toBe(2);
  });

  it("is away: known keys go on, then 503 where none are known", async () => {
    await using own = await startTestIssuer();
    const { api } = await freshApi({}, own);
    const token = await bearer(own.token());
    expect((await ask(api, token)).status).toBe(200);
    own.mood = "error";
    expect((await ask(api, token)).status).toBe(200);
    const fresh = await freshApi({}, own);
    expect(await ask(fresh.api, token)).toMatchObject({ status: 503, code: "IdentityUnavailable", challenge: null });
  });

  it.each(["error", "broken", "no-keys", "hang"] as const)(
    "answers like this: %s, which is 503 and soon, and no crash",
    async (mood) => {
      await using own = await startTestIssuer();
      own.mood = mood;
      const { api, clock } = await freshApi({}, own, mood === "hang" ? TIMEOUT_MS : undefined);
      const token = await bearer(own.token());
      const startedAt = performance.now();
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(api, token)));
      for (const answer of answers) expect(answer).toMatchObject({ status: 503, code: "IdentityUnavailable" });
      expect(performance.now() - startedAt).toBeLessThan(10 * TIMEOUT_MS);
      expect(own.keySetRequests).toBeLessThanOrEqual(1);
      own.mood = "well";
      clock.now += 2_000;
      expect((await ask(api, token)).status).toBe(200);
    },
  );

  it("an issuer with another certificate is not trusted", { tags: "attack/tokens" }, async () => {
    await using own = await startTestIssuer();
    const { api } = await freshApi({}, { ...own, ca: issuer.ca });
    expect(await ask(api, await bearer(own.token()))).toMatchObject({ status: 503, code: "IdentityUnavailable" });
    expect(own.keySetRequests).toBe(0);
  });

  it("the issuer is called at most once a minute for unknown keys", { tags: "attack/tokens" }, async () => {
    await using own = await startTestIssuer();
    const { api, clock } = await freshApi({}, own);
    expect((await ask(api, await bearer(own.token()))).status).toBe(200);
    for (let minute = 1; minute <= 2; minute++) {
      const tokens = await Promise.all(Array.from({ length: 100 }, (_, i) => own.token({}, { kid: `${minute}-${i}` })));
      const answers = await Promise.all(tokens.map((token) => ask(api, `Bearer ${token}`)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
      expect(own.keySetRequests).toBe(1 + minute);
      clock.now += UNKNOWN_KEY_FETCH_MS;
    }
  });
});

it("metrics are for operators, because they name the tenants", async () => {
  const { api } = await freshApi();
  expect((await ask(api, undefined, "/metrics")).status).toBe(401);
  expect((await ask(api, await bearer(issuer.token()), "/metrics")).status).toBe(403);
});
