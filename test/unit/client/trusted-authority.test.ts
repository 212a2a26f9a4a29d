/** Where the client sends secrets, refresh tokens and access tokens. */
import { describe, expect, it } from "vitest";
import {
  clientSecretCredential,
  JobServiceClient,
  refreshTokenCredential,
  signInWithDeviceCode,
  type EntraFacts,
  type Fetch,
} from "../../../runtime/client/index.ts";
import { factsOf, startEntraService } from "../../support/identity/entra-service.ts";

const SECRET = "the-secret";
const NAMED = "https://login.example.com";

/** Records requests, and responds as an issuer does. */
function recorded(metadata: Readonly<Record<string, string>> = {}) {
  const sent: string[] = [];
  const fetch: Fetch = (url, init) => {
    sent.push(`${url} ${typeof init?.body === "string" ? init.body : ""}`);
    const { origin } = new URL(url);
    const endpoints = { token_endpoint: `${origin}/t`, device_authorization_endpoint: `${origin}/d`, ...metadata };
    return Promise.resolve(Response.json({ ...endpoints, access_token: "token", expires_in: 3_600 }));
  };
  return { sent, fetch };
}

type Use = (facts: EntraFacts, fetch: Fetch, authority?: string) => Promise<unknown>;
const USES: readonly (readonly [string, Use])[] = [
  [
    "an application's secret",
    async (facts, fetch, authority) =>
      clientSecretCredential(facts, { clientId: "id", clientSecret: SECRET, authority }, fetch).getToken([]),
  ],
  [
    "a refresh token",
    async (facts, fetch, authority) =>
      refreshTokenCredential(facts, { refreshToken: SECRET, authority }, fetch).getToken([]),
  ],
];

const MICROSOFT = [
  "https://login.microsoftonline.com",
  "https://login.microsoftonline.us",
  "https://login.partner.microsoftonline.cn",
];
const THIS_MACHINE = ["https://127.0.0.1:7443", "http://localhost:7443", "https://[::1]:7443"];

const FOREIGN = [
  ...["https://evil.example", "http://login.microsoftonline.com", "https://login.microsoftonline.com.evil.example"],
  ...["https://login.microsoftonline.com@evil.example", "https://login.microsoftonline.com:8443"],
  ...["https://evil.example#login.microsoftonline.com", "https://login.microsoftonline.com/evil", "//evil.example"],
  ...[
    "http://192.168.0.10",
    "http://localhost.evil.example",
    "ftp://localhost",
    "javascript:alert(1)",
    "",
    "undefined",
  ],
];

describe.each(USES)("%s", (_what, use) => {
  it.each([...MICROSOFT, ...THIS_MACHINE])("goes to %s", async (authority) => {
    const { sent, fetch } = recorded();
    await use(factsOf(authority), fetch);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toContain(SECRET);
  });

  it.each(FOREIGN)("does not go to %j, which receives no request", { tags: "attack/addresses" }, async (authority) => {
    const { sent, fetch } = recorded();
    await expect(use(factsOf(authority), fetch)).rejects.toMatchObject({ code: "SignInFailed" });
    expect(sent).toEqual([]);
  });

  it("goes to another authority that the user named, over https", async () => {
    const { sent, fetch } = recorded();
    await use(factsOf(NAMED), fetch, `${NAMED}/`);
    expect(sent[1]).toContain(SECRET);
    await expect(use(factsOf("https://evil.example"), fetch, NAMED)).rejects.toMatchObject({ code: "SignInFailed" });
    const plain = "http://login.example.com";
    await expect(use(factsOf(plain), fetch, plain)).rejects.toMatchObject({ code: "SignInFailed" });
    expect(sent).toHaveLength(2);
  });

  it.each(["common", "../evil", "11111111-1111-4111-8111-111111111111/../x", "", "?x="])(
    "does not go to a directory that is called %j",
    { tags: "attack/addresses" },
    async (tenantId) => {
      const { sent, fetch } = recorded();
      const facts = factsOf("https://login.microsoftonline.com", { tenantId });
      await expect(use(facts, fetch)).rejects.toMatchObject({ code: "SignInFailed" });
      expect(sent).toEqual([]);
    },
  );

  it.each([
    "https://evil.example/t",
    "http://login.microsoftonline.com/t",
    "/t",
    "https://login.microsoftonline.com:1/t",
  ])(
    "does not go to the token endpoint %s of a trusted authority",
    { tags: "attack/addresses" },
    async (token_endpoint) => {
      const { sent, fetch } = recorded({ token_endpoint });
      await expect(use(factsOf("https://login.microsoftonline.com"), fetch)).rejects.toMatchObject({
        code: "SignInFailed",
      });
      expect(sent.join("\n")).not.toContain(SECRET);
    },
  );

  it("does not follow a redirect", { tags: "attack/addresses" }, async () => {
    await using issuer = await startEntraService();
    await using thief = await startEntraService();
    issuer.redirectTo = `${thief.url}/token`;
    await expect(use(factsOf(issuer.url), (url, init) => fetch(url, init))).rejects.toMatchObject({
      code: "NetworkFailed",
    });
    expect(thief.seen).toEqual([]);
  });
});

describe("a device code", { tags: "attack/addresses" }, () => {
  it("is requested only at endpoints of trusted authorities", async () => {
    const { sent, fetch } = recorded({ device_authorization_endpoint: "https://evil.example/d" });
    const onCode = () => undefined;
    for (const authority of ["https://evil.example", "https://login.microsoftonline.com"]) {
      await expect(signInWithDeviceCode(factsOf(authority), { onCode }, fetch)).rejects.toMatchObject({
        code: "SignInFailed",
      });
    }
    expect(sent.filter((line) => line.includes("evil.example"))).toEqual([]);
  });
});

describe("the client", () => {
  it("sends no token to a service over plain http, and requests none", { tags: "attack/addresses" }, async () => {
    const asked: string[] = [];
    const fetch: Fetch = (url) => {
      asked.push(url);
      return Promise.resolve(Response.json(factsOf("https://login.microsoftonline.com")));
    };
    const getToken = () => Promise.resolve({ token: "token", expiresOnTimestamp: Date.now() + 3_600_000 });
    const client = new JobServiceClient("http://jobs.example.com", { fetch, credential: { getToken } });
    await expect(client.monitoring.getMe()).rejects.toMatchObject({ code: "SignInFailed" });
    await expect(client.authenticate("id", SECRET)).rejects.toMatchObject({ code: "SignInFailed" });
    expect(asked).toEqual(["http://jobs.example.com/v1/auth"]);
  });

  const GRAPH = "https://graph.microsoft.com/.default";
  it.each([
    { applicationScope: GRAPH },
    { userScope: "https://graph.microsoft.com/Mail.Read" },
    { applicationScope: "api://99999999-9999-4999-8999-999999999999/.default" },
    { clientId: "graph.microsoft.com", applicationScope: "api://graph.microsoft.com/.default" },
    { clientId: "99999999-9999-4999-8999-999999999999" },
  ])("requests no token for another service: %o", { tags: "attack/addresses" }, async (changes) => {
    const facts = factsOf("https://login.microsoftonline.com", changes);
    const fetch: Fetch = () => Promise.resolve(Response.json(facts));
    let askedCount = 0;
    const getToken = () => {
      askedCount++;
      return Promise.resolve(null);
    };
    const client = new JobServiceClient("https://jobs.example.com", { fetch, credential: { getToken } });
    await expect(client.monitoring.getMe()).rejects.toMatchObject({ code: "SignInFailed" });
    expect(askedCount).toBe(0);
    const { sent, fetch: toIssuer } = recorded();
    for (const [, use] of USES) await expect(use(facts, toIssuer)).rejects.toMatchObject({ code: "SignInFailed" });
    expect(sent).toEqual([]);
  });

  it(
    "requests no token when the service names another application than the user",
    { tags: "attack/addresses" },
    async () => {
      const facts = factsOf("https://login.microsoftonline.com");
      const fetch: Fetch = (url) =>
        Promise.resolve(Response.json(url.endsWith("/v1/auth") ? facts : { name: "Ada", grants: [] }));
      const getToken = () => Promise.resolve({ token: "token", expiresOnTimestamp: Date.now() + 3_600_000 });
      const url = "https://jobs.example.com";
      const clientFor = (apiClientId: string) =>
        new JobServiceClient(url, { fetch, credential: { getToken }, apiClientId });
      await expect(clientFor("99999999-9999-4999-8999-999999999999").monitoring.getMe()).rejects.toMatchObject({
        code: "SignInFailed",
      });
      await clientFor(facts.clientId).monitoring.getMe();
    },
  );

  it("sends an application's secret to the authority that the user named", async () => {
    const sent: string[] = [];
    const fetch: Fetch = (url, init) => {
      sent.push(`${url} ${typeof init?.body === "string" ? init.body : ""}`);
      const endpoints = { token_endpoint: `${NAMED}/t`, device_authorization_endpoint: `${NAMED}/d` };
      return Promise.resolve(Response.json({ ...factsOf(NAMED), ...endpoints, access_token: "t", expires_in: 60 }));
    };
    const url = "https://jobs.example.com";
    await expect(new JobServiceClient(url, { fetch }).authenticate("id", SECRET)).rejects.toMatchObject({
      code: "SignInFailed",
    });
    expect(sent.join("\n")).not.toContain(SECRET);
    await new JobServiceClient(url, { fetch, authority: NAMED }).authenticate("id", SECRET);
    expect(sent.at(-1)).toContain(SECRET);
  });
});
