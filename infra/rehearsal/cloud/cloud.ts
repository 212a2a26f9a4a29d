/**
 * Azure on this machine: runs everything in the record under the names that Azure gives it. It runs in the rehearsal's
 * own namespaces. The programs that it starts end with them.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { createServer as createTlsServer } from "node:tls";
import { z } from "zod";
import { AzureNamedKeyCredential, TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import type { Certificate } from "../../../runtime/local/identity/certificate.ts";
import { createIdentityApp } from "../../../runtime/local/identity/identity-app.ts";
import { createSignIns } from "../../../runtime/local/identity/sign-ins.ts";
import { openKeyRing } from "../../../runtime/local/identity/key-ring.ts";
import { busAssignments, createAccess, type Access } from "./access.ts";
import { APP_IDENTITY_ADDRESS, METADATA_ADDRESS, PUBLIC_ADDRESS } from "./addresses.ts";
import type { Estate } from "./estate.ts";
import { forward, hostOf, serve, type UpgradeHandler } from "./http.ts";
import { createMetadataService, type Instance, type MetadataService } from "./metadata-service.ts";
import { createNetwork, hostLines, useHosts } from "./network.ts";
import { createResourceManager, type ResourceManager } from "./resource-manager.ts";
import { createSite, IDENTITY_PORT, IDLE_MS, type Site } from "./site.ts";
import { createStorageDoor, type StorageDoor } from "./storage-door.ts";
import { createTelemetryIntake, type TelemetryIntake } from "./telemetry-intake.ts";
import { createTokens, TOKEN_ISSUER, type Tokens } from "./tokens.ts";
import { INGESTION_HOST } from "../pulumi/azure-names.ts";

export interface Cloud {
  readonly access: Access;
  readonly tokens: Tokens;
  readonly site: Site;
  readonly storage: StorageDoor;
  readonly telemetry: TelemetryIntake;
  readonly metadata: MetadataService;
  readonly resourceManager: ResourceManager;
  /** Instances of scale sets, by address. */
  readonly instances: Map<string, Instance>;
  /** Full access to the bus, without its roles. */
  readonly busConnectionString: string;
  readonly busAdminConnectionString: string;
  /** Names and addresses, as lines of a hosts file. */
  readonly hosts: string;
  /** Updates storage and the API to the last deployment's record. */
  deploy(estate: Estate): Promise<void>;
  /** Records the roles that were used on the bus, and the requests that it denied. */
  readBusAudit(): Promise<void>;
}

export interface CloudOptions {
  readonly estate: Estate;
  /** The folder for all its files. */
  readonly folder: string;
  readonly certificate: Certificate;
  /** The certificate of the authority that signed the server's certificate. */
  readonly caFile: string;
  /** The lifetime of managed identities' tokens in seconds. */
  readonly tokenSeconds: number;
  /** Served to machines at NODE_PORT. */
  readonly nodeArchive: string;
}

export const NODE_PORT = 8000;
const LOGIN_HOST = "login.microsoftonline.com";
const RESOURCE_MANAGER_HOST = "management.azure.com";
const PORTS = { blob: 10_000, table: 10_002, amqp: 5_672, admin: 5_300 };
/** The host names of the certificate. */
export const CERTIFICATE_NAMES: readonly string[] = [
  "localhost",
  "*.blob.core.windows.net",
  "*.table.core.windows.net",
  "*.servicebus.windows.net",
  "*.azurewebsites.net",
  LOGIN_HOST,
  RESOURCE_MANAGER_HOST,
  INGESTION_HOST,
];
const ROOT = join(import.meta.dirname, "../../..");

/** Resolves when everything except the API answers. Nothing is allowed until `access.takeEffect`. */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { folder, certificate, caFile, tokenSeconds } = options;
  let { estate } = options;
  const nowMs = Date.now;
  await mkdir(join(folder, "identity"), { recursive: true });
  const hosts = hostLines(hostNames(estate));
  await createNetwork(estate.subnets);
  await useHosts(hosts, folder);

  const keys = await openKeyRing(join(folder, "identity"), nowMs);
  const tokens = createTokens({ keys, lifeSeconds: tokenSeconds, nowMs });
  const access = createAccess(() => estate);
  const instances = new Map<string, Instance>();
  const storageKeys = new Map(estate.accounts.map(({ name }) => [name, randomBytes(64).toString("base64")]));
  const [certFile, keyFile] = [join(folder, "server.pem"), join(folder, "server-key.pem")];
  await writeFile(certFile, certificate.cert);
  await writeFile(keyFile, certificate.key, { mode: 0o600 });

  const accessFile = join(folder, "bus-access.json");
  const auditFile = join(folder, "bus-audit.ndjson");
  const writeBusAccess = (): Promise<void> =>
    writeFile(
      accessFile,
      JSON.stringify({
        issuer: TOKEN_ISSUER,
        jwks: { keys: keys.publicKeys() },
        assignments: busAssignments(estate),
      }),
    );
  const topologyFile = join(folder, "topology.json");
  await writeFile(topologyFile, JSON.stringify(estate.topology));
  await writeFile(auditFile, "");
  await writeBusAccess();

  const azurite = (service: "blob" | "table"): ChildProcess =>
    startProgram(
      [
        `node_modules/azurite/dist/src/${service}/main.js`,
        ...[`--${service}Host`, "127.0.0.1", `--${service}Port`, String(PORTS[service])],
        ...["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"],
        ...["--oauth", "basic", "--cert", certFile, "--key", keyFile],
      ],
      join(folder, `azurite-${service}.log`),
      { AZURITE_ACCOUNTS: [...storageKeys].map(([name, key]) => `${name}:${key}`).join(";") },
    );
  azurite("blob");
  azurite("table");
  const bus = startProgram(
    [
      ...["runtime/main/bus.ts", "--topology", topologyFile, "--access", accessFile, "--audit", auditFile],
      ...["--port", String(PORTS.amqp), "--admin-port", String(PORTS.admin)],
    ],
    join(folder, "bus.log"),
  );
  const [busReady] = await Promise.all([ready(bus), answers(PORTS.blob), answers(PORTS.table)]);

  const resourceManager = createResourceManager({
    access,
    tokens,
    hasInstance: (id) => [...instances.values()].some(({ resourceId }) => resourceId === id),
  });
  const metadata = createMetadataService({
    identities: estate.identities,
    tokens,
    instanceAt: (address) => instances.get(address),
    nowMs,
  });
  const site = createSite({ estate: () => estate, tokens, folder: join(folder, "site"), caFile, nowMs });
  const storage = createStorageDoor({ estate, access, tokens, blobPort: PORTS.blob, tablePort: PORTS.table });
  const telemetry = createTelemetryIntake({ access, tokens, insightsId: () => estate.insightsId });
  const authority = `https://${LOGIN_HOST}`;
  const signIns = createSignIns(nowMs);
  const issuer = createIdentityApp({ keys, signIns, origin: authority, authority, nowMs, onFailure: console.error });

  const onUpgrade: UpgradeHandler = (request, socket, head) => {
    if (hostOf(request) === estate.site.host) site.handleUpgrade(request, socket, head);
    else socket.destroy();
  };

  await Promise.all([
    serve({ host: PUBLIC_ADDRESS, port: 443, certificate, idleMs: IDLE_MS, onUpgrade }, (request, response) => {
      const host = hostOf(request);
      if (storage.serves(host)) return storage.handle(request, response);
      if (host === estate.namespace) {
        // The local Service Bus accepts only loopback names.
        const headers = { host: `127.0.0.1:${PORTS.admin}` };
        forward(request, response, { host: "127.0.0.1", port: PORTS.admin, secure: false, headers });
      } else if (host === estate.site.host) site.handle(request, response);
      else if (host === LOGIN_HOST) issuer(request, response);
      else if (host === RESOURCE_MANAGER_HOST) return resourceManager.handle(request, response);
      else if (host === INGESTION_HOST) return telemetry.handle(request, response);
      else response.writeHead(404).end();
      return undefined;
    }),
    serve({ host: METADATA_ADDRESS, port: 80 }, (request, response) => metadata.handle(request, response)),
    serve({ host: APP_IDENTITY_ADDRESS, port: IDENTITY_PORT }, (request, response) =>
      site.handleIdentity(request, response),
    ),
    serve({ host: PUBLIC_ADDRESS, port: NODE_PORT }, async (_request, response) => {
      response.end(await readFile(options.nodeArchive));
    }),
    amqpFront(certificate),
  ]);

  /** As Azure Resource Manager does: without a role on the data. */
  async function provision(): Promise<void> {
    for (const account of estate.accounts) {
      const key = storageKeys.get(account.name) ?? "";
      const blobs = new BlobServiceClient(
        `https://127.0.0.1:${PORTS.blob}/${account.name}`,
        new StorageSharedKeyCredential(account.name, key),
      );
      for (const name of account.containers) await blobs.getContainerClient(name).createIfNotExists();
      const tables = new TableServiceClient(
        `https://127.0.0.1:${PORTS.table}/${account.name}`,
        new AzureNamedKeyCredential(account.name, key),
      );
      for (const name of account.tables) await tables.createTable(name);
      await syncBlobs(blobs, estate, account.name);
    }
  }

  return {
    ...{ access, tokens, site, storage, telemetry, metadata, resourceManager, instances, hosts },
    busConnectionString: String(busReady["connectionString"]),
    // Its client requires TLS, and only the namespace's name has a certificate.
    busAdminConnectionString: String(busReady["connectionString"])
      .replace(/^Endpoint=[^;]*/, `Endpoint=sb://${estate.namespace}/`)
      .replace(/;UseDevelopmentEmulator=true/, ""),
    async deploy(next) {
      estate = next;
      await writeBusAccess();
      await provision();
      await site.deploy(estate.site);
    },
    async readBusAudit() {
      const lines = (await readFile(auditFile, "utf8")).trim().split("\n").filter(Boolean);
      for (const line of lines) noteBusUse(access, estate, line);
    },
  };
}

const busUseSchema = z.object({
  principalId: z.string().nullable(),
  entity: z.string(),
  right: z.enum(["send", "listen", "manage"]).nullable(),
  allowed: z.boolean(),
  reason: z.string().optional(),
});

/** The bus decides by the same assignments. This records their use, and refusals with another reason. */
function noteBusUse(access: Access, { namespaceId, topology }: Estate, line: string): void {
  const { principalId, entity, right, allowed, reason } = busUseSchema.parse(JSON.parse(line));
  // The rehearsal itself reads queues with the namespace's key.
  if (principalId === BUS_KEY_NAME) return;
  if (principalId === null || right === null) {
    access.deny("without a usable token", reason ?? "unknown", `${namespaceId}/${entity}`);
    return;
  }
  const isQueue = topology.queues.some(({ name }) => name === entity);
  const resource = `${namespaceId}/${isQueue ? "queues" : "topics"}/${entity}`;
  if (access.allows(principalId, `bus.${right}`, resource) !== allowed) {
    throw new Error(`The bus and the record disagree on ${right} of ${entity}.`);
  }
}

/** The key that every namespace has. */
const BUS_KEY_NAME = "RootManageSharedAccessKey";

const hostNames = ({ accounts, namespace, site }: Estate): readonly string[] => [
  ...accounts.flatMap(({ name }) => [`${name}.blob.core.windows.net`, `${name}.table.core.windows.net`]),
  ...[namespace, site.host, LOGIN_HOST, RESOURCE_MANAGER_HOST, INGESTION_HOST],
];

/** Uploads the deployment's blobs. Deleted ones stay. */
async function syncBlobs(service: BlobServiceClient, { blobs }: Estate, account: string): Promise<void> {
  const wanted = blobs.filter((blob) => blob.account === account);
  for (const container of new Set(wanted.map((blob) => blob.container))) {
    const client = service.getContainerClient(container);
    for await (const { name } of client.listBlobsFlat()) {
      if (!wanted.some((blob) => blob.name === name)) await client.deleteBlob(name);
    }
  }
  for (const { container, name, asset } of wanted) {
    const content = asset.path === undefined ? Buffer.from(asset.text ?? "") : await readFile(asset.path);
    await service.getContainerClient(container).getBlockBlobClient(name).uploadData(content);
  }
}

/** AMQP with TLS, as the namespace offers it. */
async function amqpFront(certificate: Certificate): Promise<void> {
  const server = createTlsServer(certificate, (outer) => {
    const inner = connect({ port: PORTS.amqp, host: "127.0.0.1", noDelay: true });
    outer.setNoDelay(true);
    outer.pipe(inner).pipe(outer);
    const end = (): void => {
      outer.destroy();
      inner.destroy();
    };
    for (const socket of [outer, inner]) socket.on("error", end).on("close", end);
  });
  await new Promise<void>((resolve) => server.listen(5_671, PUBLIC_ADDRESS, resolve));
}

function startProgram(
  args: readonly string[],
  logFile: string,
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const log = openSync(logFile, "a");
  return spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", log, log, "ipc"],
  });
}

/** The ready message of a program. Rejects if the program ends first. */
function ready(program: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    program.once("message", (message) => resolve(message as Record<string, unknown>));
    program.once("exit", (code) => reject(new Error(`${program.spawnargs.join(" ")} ended with ${String(code)}.`)));
  });
}

/** Resolves when the port of this machine accepts connections. */
async function answers(port: number): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("close", () => undefined);
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
