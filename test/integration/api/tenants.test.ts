/** Tenants and grants through the API that obeys them, with real tokens: what is granted or taken away counts at once. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGrantsCache } from "../../../runtime/api/auth/grants-cache.ts";
import { createSigningKeys, httpsJson } from "../../../runtime/api/auth/signing-keys.ts";
import { createIdentify } from "../../../runtime/api/auth/identify.ts";
import { createTokenVerifier } from "../../../runtime/api/auth/token-verifier.ts";
import { metadataUrlOf } from "../../../runtime/core/http/auth-facts.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { silentLog } from "../../support/silent.ts";
import { apiStores } from "../../support/stores/api-stores.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { APPLICATION_CLAIMS, startTestIssuer, type TestIssuer } from "../../support/identity/test-issuer.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let issuer: TestIssuer;
let api: TestApi;
let admin = "";

beforeAll(async () => {
  issuer = await startTestIssuer();
  const keys = createSigningKeys({
    metadataUrl: metadataUrlOf(issuer.settings),
    issuer: issuer.issuer,
    fetchJson: (url) => httpsJson(url, { ca: issuer.ca, timeoutMs: 5_000, maxBytes: 10_000 }),
    monotonicNow: () => performance.now(),
    log: silentLog,
  });
  const stores = await apiStores();
  // A clock that stands: nothing is read again because it has become old.
  const grants = createGrantsCache({ store: stores.tenants, monotonicNow: () => 0 });
  const verify = createTokenVerifier({ settings: issuer.settings, keys });
  const identify = createIdentify({ verify, grants });
  api = await startTestApi(letterQueue().queue, { identify, stores, wrapTenants: () => grants.store });
  admin = await issuer.token({ oid: randomUUID(), preferred_username: "ada@example.org", roles: ["Jobs.Admin"] });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

interface Answered {
  readonly status: number;
  readonly body: {
    readonly items: readonly Record<string, unknown>[];
    readonly grants: readonly unknown[];
    readonly continuationToken?: string;
    readonly error: { readonly code: string; readonly target?: string; readonly message: string };
  };
}

async function ask(token: string, method: string, path: string, body?: object): Promise<Answered> {
  const response = await fetch(`${api.url}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const { status, headers } = response;
  api.contract.check(method, `/v1${path}`, { status, headers, text, byteCount: Buffer.byteLength(text) });
  return { status, body: (text === "" ? undefined : JSON.parse(text)) as Answered["body"] };
}

/** Somebody with these roles who has never called before. */
async function somebody(...roles: readonly string[]) {
  const principalId = randomUUID();
  return { principalId, token: await issuer.token({ oid: principalId, roles }) };
}

async function newTenant(): Promise<string> {
  const tenantName = freshTenant();
  expect((await ask(admin, "PUT", `/tenants/${tenantName}`)).status).toBe(200);
  return tenantName;
}

const grantPath = (tenantName: string, principalId: string): string => `/tenants/${tenantName}/grants/${principalId}`;
const createBatch = async (token: string, tenantName: string): Promise<number> =>
  (await ask(token, "POST", "/batches", { tenantName, batchName: "A batch" })).status;

describe("a caller", () => {
  it("a caller without the role gets an error with the required roles and its own", async () => {
    const { token } = await somebody("Jobs.Read");
    const messageOf = async (method: string, path: string) => (await ask(token, method, path, {})).body.error.message;
    expect(await messageOf("POST", "/batches")).toBe(
      "This needs the app role Jobs.Submit or Jobs.Admin. The token has Jobs.Read.",
    );
    expect(await messageOf("PUT", "/tenants/acme")).toBe(
      "This needs the app role Jobs.Admin. The token has Jobs.Read.",
    );
    const nobody = await somebody();
    expect((await ask(nobody.token, "GET", "/batches?tenantName=acme")).body.error.message).toContain(
      "Jobs.Read or Jobs.Submit or Jobs.Admin. The token has none.",
    );
  });

  it("that its token names by a client id only goes by the name of its grant", async () => {
    const tenantName = await newTenant();
    const principalId = randomUUID();
    const azp = randomUUID();
    const token = await issuer.token({
      ...APPLICATION_CLAIMS,
      azp,
      oid: principalId,
      sub: principalId,
      roles: ["Jobs.Submit"],
    });
    const nameNow = async () => (await ask(token, "GET", "/me")).body;
    expect(await nameNow()).toMatchObject({ name: azp });
    await ask(admin, "PUT", grantPath(tenantName, principalId), { access: "submit", name: "Billing service" });
    expect(await nameNow()).toMatchObject({ name: "Billing service" });
    const made = await ask(token, "POST", "/batches", { tenantName, batchName: "A batch" });
    expect(made.body).toMatchObject({ createdBy: "Billing service" });
  });
});

describe("grants", () => {
  it("count at once on the API that gave, changed or took them", async () => {
    const tenantName = await newTenant();
    const { principalId, token } = await somebody("Jobs.Submit");
    const path = grantPath(tenantName, principalId);
    expect(await createBatch(token, tenantName)).toBe(404);

    const granted = await ask(admin, "PUT", path, { access: "submit", name: "Somebody" });
    const grant = { tenantName, principalId, access: "submit", name: "Somebody", grantedBy: "ada@example.org" };
    expect(granted).toMatchObject({ status: 200, body: grant });
    expect(await createBatch(token, tenantName)).toBe(201);
    expect((await ask(token, "GET", "/me")).body.grants).toEqual([{ tenantName, access: "submit" }]);

    await ask(admin, "PUT", path, { access: "read", name: "Somebody" });
    expect(await createBatch(token, tenantName)).toBe(404);
    expect((await ask(token, "GET", "/me")).body.grants).toEqual([{ tenantName, access: "read" }]);

    expect((await ask(admin, "DELETE", path)).status).toBe(204);
    expect((await ask(token, "GET", "/me")).body.grants).toEqual([]);
    expect((await ask(admin, "DELETE", path)).body.error.code).toBe("GrantNotFound");
  });

  it("go at once with their tenant", async () => {
    const tenantName = await newTenant();
    const { principalId, token } = await somebody("Jobs.Submit");
    await ask(admin, "PUT", grantPath(tenantName, principalId), { access: "manage", name: "Somebody" });
    expect(await createBatch(token, tenantName)).toBe(201);
    expect((await ask(admin, "DELETE", `/tenants/${tenantName}`)).status).toBe(204);
    expect(await createBatch(token, tenantName)).toBe(404);
    expect((await ask(admin, "GET", `/tenants/${tenantName}/grants`)).body.error.code).toBe("TenantNotFound");
    // Nor do they come back with it.
    await ask(admin, "PUT", `/tenants/${tenantName}`);
    expect((await ask(admin, "GET", `/tenants/${tenantName}/grants`)).body.items).toEqual([]);
    expect(await createBatch(token, tenantName)).toBe(404);
  });

  it("need a tenant, an object id, an access and a name", async () => {
    const tenantName = await newTenant();
    const grant = { access: "read", name: "Somebody" };
    const missing = grantPath(freshTenant(), randomUUID());
    expect((await ask(admin, "PUT", missing, grant)).body.error.code).toBe("TenantNotFound");
    const refused = async (principalId: string, body: object) =>
      (await ask(admin, "PUT", grantPath(tenantName, principalId), body)).body.error.target;
    expect(await refused("ada", grant)).toBe("principalId");
    expect(await refused(randomUUID().toUpperCase(), grant)).toBe("principalId");
    expect(await refused(randomUUID(), { ...grant, access: "operate" })).toBe("access");
    expect(await refused(randomUUID(), { ...grant, name: "" })).toBe("name");
  });

  it("are listed in pages, for their tenant alone", async () => {
    const [tenantName, other] = [await newTenant(), await newTenant()];
    const ids = Array.from({ length: 5 }, () => randomUUID()).toSorted();
    for (const id of ids) await ask(admin, "PUT", grantPath(tenantName, id), { access: "read", name: id });
    await ask(admin, "PUT", grantPath(other, ids[0]!), { access: "manage", name: "elsewhere" });
    const found: unknown[] = [];
    let token = "";
    do {
      const query = `pageSize=2${token && `&continuationToken=${token}`}`;
      const { body } = await ask(admin, "GET", `/tenants/${tenantName}/grants?${query}`);
      found.push(...body.items.map(({ name }) => name));
      token = body.continuationToken ?? "";
    } while (token !== "");
    expect(found).toEqual(ids);
    const forged = await ask(admin, "GET", `/tenants/${tenantName}/grants?continuationToken=${btoa("1:0:x")}`);
    expect(forged).toMatchObject({ status: 400, body: { error: { target: "continuationToken" } } });
  });
});

describe("tenants", () => {
  it("tenants are created once and record their author", async () => {
    const tenantName = freshTenant();
    const first = await ask(admin, "PUT", `/tenants/${tenantName}`);
    expect(first.body).toMatchObject({ tenantName, createdBy: "ada@example.org" });
    const other = await issuer.token({
      oid: randomUUID(),
      preferred_username: "eve@example.org",
      roles: ["Jobs.Admin"],
    });
    expect((await ask(other, "PUT", `/tenants/${tenantName}`)).body).toEqual(first.body);
    expect((await ask(admin, "PUT", "/tenants/Not-A-Name")).body.error.target).toBe("tenantName");
    expect((await ask(admin, "DELETE", `/tenants/${freshTenant()}`)).body.error.code).toBe("TenantNotFound");
  });

  it("are for administrators alone", async () => {
    const tenantName = await newTenant();
    const { principalId, token } = await somebody("Jobs.Submit");
    await ask(admin, "PUT", grantPath(tenantName, principalId), { access: "manage", name: "Somebody" });
    const grant = { access: "manage", name: "Myself" };
    const tries: readonly (readonly [string, string, object?])[] = [
      ["GET", "/tenants"],
      ["PUT", `/tenants/${freshTenant()}`],
      ["DELETE", `/tenants/${tenantName}`],
      ["GET", `/tenants/${tenantName}/grants`],
      ["PUT", grantPath(tenantName, principalId), grant],
      ["DELETE", grantPath(tenantName, principalId)],
      ["GET", "/workers"],
    ];
    for (const [method, path, body] of tries) {
      expect((await ask(token, method, path, body)).body.error.code, `${method} ${path}`).toBe("Forbidden");
    }
  });
});

describe("me", () => {
  it("shows users, applications and administrators their identity", async () => {
    const { principalId, token } = await somebody("Jobs.Read");
    expect((await ask(token, "GET", "/me")).body).toEqual({
      ...{ name: "ursula@example.org", kind: "user", principalId, roles: ["Jobs.Read"] },
      ...{ grants: [], allTenants: false },
    });
    const application = await issuer.token(APPLICATION_CLAIMS);
    expect((await ask(application, "GET", "/me")).body).toMatchObject({ kind: "application", roles: ["Jobs.Submit"] });
    expect((await ask(admin, "GET", "/me")).body).toMatchObject({ allTenants: true, grants: [] });
  });

  it("answers a caller without any role", async () => {
    const { token } = await somebody();
    expect(await ask(token, "GET", "/me")).toMatchObject({ status: 200, body: { roles: [], grants: [] } });
  });
});
