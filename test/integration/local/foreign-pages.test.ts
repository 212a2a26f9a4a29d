/** Attacks of a web page in the user's browser on the servers of `npm start`, which run as usual. */
import { stat } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectStorage, provisionStorage } from "../../../runtime/azure/index.ts";
import { LOCAL_REFUSALS } from "../../../runtime/core/loopback.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { busTopology, DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { startAzurite, type RunningAzurite } from "../../../runtime/local/azurite.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { startIdentityServer, type IdentityServer } from "../../../runtime/local/identity/identity-server.ts";
import { DIRECTORY_ID } from "../../../runtime/local/identity/principals.ts";
import { freePorts } from "../../../runtime/local/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { startApiProcess, type ApiProcess } from "../../support/processes/api-process.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";
import { ownStorage } from "../../support/stores/test-storage.ts";
import { holdConnections } from "../../support/network/half-open-client.ts";
import { openWire } from "../../support/api/wire.ts";

/** The key in Azurite's documentation, which every page knows. */
const KNOWN_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const ACCOUNT = "devstoreaccount1";
const FOREIGN = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };

let home: TemporaryDirectory;
let bus: LocalServiceBus;
let api: ApiProcess;
let storage: Record<string, string>;
let issuer: IdentityServer;
let azurite: RunningAzurite;
let blobPort = 0;
let tablePort = 0;

beforeAll(async () => {
  home = await temporaryDirectory();
  [blobPort = 0, tablePort = 0] = await freePorts(2);
  [bus, issuer, azurite] = await Promise.all([
    startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) }),
    startIdentityServer({ directory: join(home.path, "identity"), port: 0, onFailure: () => undefined }),
    startAzurite({ directory: join(home.path, "storage"), blobPort, tablePort, environment: process.env }),
  ]);
  storage = { [SETTING.storageConnectionString]: await ownStorage("foreignpages") };
  api = await startApiProcess(bus, "api-local", storage);
});
afterAll(async () => {
  await Promise.all([api[Symbol.asyncDispose](), issuer.close(), azurite.close()]);
  await bus.close();
  await home[Symbol.asyncDispose]();
});

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function statusAt(url: string, { method = "GET", path = "/", headers }: Asked): Promise<number> {
  if (!url.startsWith("https:")) {
    using wire = openWire(url);
    return (await wire.send({ method, path, headers })).status;
  }
  return new Promise((resolve, reject) => {
    // The certificate does not matter for the response.
    const options = { method, headers, rejectUnauthorized: false, agent: false };
    httpsRequest(new URL(path, url), options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

const servers = (): Readonly<Record<string, string>> => ({
  API: api.url,
  issuer: issuer.authority,
  blobs: `http://127.0.0.1:${blobPort}`,
  tables: `http://127.0.0.1:${tablePort}`,
  "bus administration": `http://127.0.0.1:${bus.adminPort}`,
});

describe.each(["API", "issuer", "blobs", "tables", "bus administration"])("%s", { tags: "attack/hosts" }, (name) => {
  it("refuses a page that points its own host name at this machine", { tags: "attack/hosts" }, async () => {
    const url = servers()[name] ?? "";
    const { port } = new URL(url);
    for (const host of [`evil.example:${port}`, `0.0.0.0:${port}`, `localhost.evil.example:${port}`]) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        expect(await statusAt(url, { method, headers: { host } })).toBe(LOCAL_REFUSALS.host.status);
      }
    }
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`]) {
      expect(await statusAt(url, { headers: { host } })).not.toBe(LOCAL_REFUSALS.host.status);
    }
  });
});

describe("a request with an unusual name of its server", { tags: "attack/hosts" }, () => {
  const LOOPBACK = "host: 127.0.0.1\r\n";
  it.each([
    ["two Hosts, ours first", `GET / HTTP/1.1\r\n${LOOPBACK}host: evil.example\r\n`],
    ["two Hosts, ours last", `GET / HTTP/1.1\r\nhost: evil.example\r\n${LOOPBACK}`],
    ["no Host", "GET / HTTP/1.1\r\n"],
    ["no Host, of an older version", "GET / HTTP/1.0\r\n"],
    ["a Host in two lines", "GET / HTTP/1.1\r\nhost: evil.example\r\n 127.0.0.1\r\n"],
    ["a space before the colon", "GET / HTTP/1.1\r\nhost : 127.0.0.1\r\n"],
    ["a Host as a decimal number", "GET / HTTP/1.1\r\nhost: 2130706433\r\n"],
    ["a Host as a hexadecimal number", "GET / HTTP/1.1\r\nhost: 0x7f.0.0.1\r\n"],
    ["a Host with an octal number", "GET / HTTP/1.1\r\nhost: 0177.0.0.1\r\n"],
    ["a Host with a zone", "GET / HTTP/1.1\r\nhost: [::1%25lo]\r\n"],
    ["a Host that a proxy forwarded", "GET / HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: 127.0.0.1\r\n"],
    ["another method by a header", "GET / HTTP/1.1\r\nhost: evil.example\r\nx-http-method-override: OPTIONS\r\n"],
  ])("with %s is refused by every server", async (_what, head) => {
    for (const [name, url] of Object.entries(servers())) {
      if (url.startsWith("https:")) continue;
      using client = await holdConnections(Number(new URL(url).port), { text: `${head}connection: close\r\n\r\n` });
      await eventually(() => expect(client.heard(0), name).toMatch(/^HTTP\/1\.1 4(00|21) /));
    }
  });

  it("is not trusted because of an absolute target", async () => {
    for (const url of Object.values(servers()).filter((one) => !one.startsWith("https:"))) {
      const text = "GET http://127.0.0.1/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
      using client = await holdConnections(Number(new URL(url).port), { text });
      await eventually(() => expect(client.heard(0)).toMatch(/^HTTP\/1\.1 421 /));
    }
  });
});

describe("an API without authentication", { tags: "attack/hosts" }, () => {
  it("allows no change by a foreign page, and no hub connection with a foreign Host", async () => {
    const path = "/v1/jobs/acme.0000000000aaaaaaaa.00.0000000000aaaaaaaa/cancel";
    expect(await statusAt(api.url, { method: "POST", path, headers: FOREIGN })).toBe(403);
    expect(await statusAt(api.url, { method: "POST", path, headers: { origin: api.url } })).toBe(404);
    expect(await statusAt(api.url, { method: "POST", path, headers: {} })).toBe(404);
    const upgrade = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const headers = { ...upgrade, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", host: "evil.example" };
    expect(await statusAt(api.url, { path: "/hubs/jobs", headers })).toBe(LOCAL_REFUSALS.host.status);
    const { port } = new URL(api.url);
    for (const page of [FOREIGN, { origin: "null" }, { origin: `http://127.0.0.1:${port}0` }]) {
      const asked = { ...headers, ...page, host: `127.0.0.1:${port}` };
      expect(await statusAt(api.url, { path: "/hubs/jobs", headers: asked })).toBe(403);
    }
  });

  it.each([
    ["a form", { "content-type": "application/x-www-form-urlencoded", ...FOREIGN }],
    ["a form of files", { "content-type": "multipart/form-data; boundary=x", ...FOREIGN }],
    ["plain text", { "content-type": "text/plain", ...FOREIGN }],
    ["a beacon without a body", FOREIGN],
    ["a page in a sandbox", { origin: "null", "sec-fetch-site": "cross-site" }],
    ["a page of an older browser", { origin: "https://evil.example" }],
    ["a page of a file", { origin: "file://" }],
    ["an extension", { origin: "chrome-extension://abc", "sec-fetch-site": "cross-site" }],
    ["a page without Origin", { "sec-fetch-site": "cross-site" }],
    ["another port of this machine", { origin: "http://localhost:1", "sec-fetch-site": "same-site" }],
  ])("refuses %s", async (_what, headers) => {
    for (const [method, path] of [
      ["POST", "/v1/jobs"],
      ["POST", "/v1/batches/acme.0000000000aaaaaaaa/cancel"],
      ["PUT", "/v1/tenants/acme/packages/x.zip"],
      ["DELETE", "/v1/tenants/acme/packages/x.zip"],
      ["POST", "/v1/events/tickets"],
    ] as const)
      expect(await statusAt(api.url, { method, path, headers })).toBe(403);
  });
});

describe("an API with tokens", () => {
  const GUID = "11111111-1111-4111-8111-111111111111";
  const TOKENS = { [SETTING.auth]: "entra", [SETTING.authTenantId]: GUID, [SETTING.authClientId]: GUID };
  it.each([
    ["on loopback answers names of this machine only", {}, LOCAL_REFUSALS.host.status],
    ["behind a proxy of this machine answers the proxy's names", { [SETTING.proxyHops]: "1" }, 200],
    ["on all addresses, as deployed, answers every name", { [SETTING.apiHost]: "0.0.0.0" }, 200],
  ])("%s", { tags: "attack/hosts" }, async (_what, settings, status) => {
    await using deployed = await startApiProcess(bus, "api-tokens", { ...storage, ...TOKENS, ...settings });
    const asked = { path: "/healthz", headers: { host: "jobs.example.com" } };
    expect(await statusAt(deployed.url, asked)).toBe(status);
    expect(await statusAt(deployed.url, { path: "/healthz", headers: {} })).toBe(200);
  });
});

describe("the issuer", () => {
  it(
    "allows no foreign page to change its keys, although the secrets are public",
    { tags: "attack/hosts" },
    async () => {
      const path = `/${DIRECTORY_ID}/rotate-keys`;
      expect(await statusAt(issuer.authority, { method: "POST", path, headers: FOREIGN })).toBe(403);
      const local = { origin: "http://localhost:5173", "sec-fetch-site": "cross-site" };
      expect(await statusAt(issuer.authority, { method: "POST", path, headers: local })).toBe(400);
    },
  );
});

describe("storage", () => {
  it(
    "accepts only its own key, which only this user can read, not the documented one",
    { tags: "attack/hosts" },
    async () => {
      expect(azurite.accountKey).not.toBe(KNOWN_KEY);
      expect((await stat(join(home.path, "storage/account-key"))).mode & 0o777).toBe(0o600);
      await provisionStorage(connectStorage({ kind: "connection-string", storage: azurite.connectionString }));

      const known = azurite.connectionString.replace(azurite.accountKey, KNOWN_KEY);
      const tables = TableServiceClient.fromConnectionString(known, { allowInsecureConnection: true });
      await expect(tables.createTable("stolen")).rejects.toMatchObject({ statusCode: 403 });
      const blobs = new BlobServiceClient(
        `http://127.0.0.1:${blobPort}/${ACCOUNT}`,
        new StorageSharedKeyCredential(ACCOUNT, KNOWN_KEY),
      );
      await expect(blobs.getContainerClient("stolen").create()).rejects.toMatchObject({ statusCode: 403 });
    },
  );

  it("has the same key after a restart, and another one in another folder", async () => {
    const [b = 0, t = 0, b2 = 0, t2 = 0] = await freePorts(4);
    await using other = await temporaryDirectory();
    const directory = join(other.path, "storage");
    const environment = {};
    const first = await startAzurite({ directory, blobPort: b, tablePort: t, environment });
    await first.close();
    const second = await startAzurite({ directory, blobPort: b2, tablePort: t2, environment });
    await second.close();
    expect(second.accountKey).toBe(first.accountKey);
    expect(second.accountKey).not.toBe(azurite.accountKey);
  });
});
