/**
 * Azurite, Microsoft's storage emulator, inside this process: blobs and tables on loopback, stored in a folder. Its
 * command line cannot wait until all data is on disk, so this file starts its servers through their internal classes.
 * The package's version is therefore pinned exactly.
 *
 * Its account has a random key in the folder, which only this user can read. With the documented key, any web page that
 * reaches the port could read and write everything. For the same reason the Host of every request is checked.
 *
 * Azurite writes its tables every five seconds and at a clean stop. After SIGKILL it loses up to five seconds.
 */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import type { RequestListener, Server } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { localOnly } from "../core/loopback.ts";
import { type TableStore, useIndexes } from "./indexed-queries.ts";
import { readIfThere, writePrivateFile } from "./private-file.ts";

interface AzuriteServer {
  /** Serves no requests before `start`. */
  readonly httpServer: Server;
  start(): Promise<void>;
  close(): Promise<void>;
}

interface AzuriteModules {
  readonly "blob/BlobConfiguration.js": new (...fields: unknown[]) => object;
  readonly "blob/BlobServer.js": new (configuration: object) => AzuriteServer;
  readonly "table/TableConfiguration.js": new (...fields: unknown[]) => object;
  readonly "table/TableServer.js": new (
    configuration: object,
  ) => AzuriteServer & { readonly metadataStore: TableStore };
}

const require = createRequire(import.meta.url);
const load = <K extends keyof AzuriteModules>(path: K): AzuriteModules[K] =>
  (require(`azurite/dist/src/${path}`) as { default: AzuriteModules[K] }).default;

export interface AzuriteOptions {
  /** Folder of the data. Created if it does not exist. */
  readonly directory: string;
  readonly blobPort: number;
  readonly tablePort: number;
  /** The process's environment, which is changed: Azurite reads its accounts only from there, once a minute. */
  readonly environment: Record<string, string | undefined>;
}

export interface RunningAzurite {
  /** The same at every start in this folder. */
  readonly connectionString: string;
  /** For servers that listen in front of it on their own ports. */
  readonly accountKey: string;
  /** Resolves when all data is on disk. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const KEEP_ALIVE_S = 5;

/** Resolves when both services respond. Rejects with EADDRINUSE when a port is taken. */
export async function startAzurite(options: AzuriteOptions): Promise<RunningAzurite> {
  const { directory, blobPort, tablePort, environment } = options;
  const at = (name: string): string => join(directory, name);
  await mkdir(at("blobs"), { recursive: true });
  const accountKey = await keptKey(at("account-key"));
  environment["AZURITE_ACCOUNTS"] = `${ACCOUNT}:${accountKey}`;
  const quiet = { accessLog: [false, undefined] as const, debugLog: [false, undefined] as const };
  // loose, skipApiVersionCheck (the SDKs are newer than the emulator), cert, key, pwd, oauth, disableProductStyleUrl.
  const rest = [false, true, "", "", "", undefined, true];

  const BlobConfiguration = load("blob/BlobConfiguration.js");
  const BlobServer = load("blob/BlobServer.js");
  const blobs = new BlobServer(
    new BlobConfiguration(
      ...[HOST, blobPort, KEEP_ALIVE_S, at("blobs.json"), at("blob-extents.json")],
      [{ locationId: "Default", locationPath: at("blobs"), maxConcurrency: 50 }],
      ...[...quiet.accessLog, ...quiet.debugLog, ...rest],
    ),
  );
  const TableConfiguration = load("table/TableConfiguration.js");
  const TableServer = load("table/TableServer.js");
  const tables = new TableServer(
    new TableConfiguration(
      ...[HOST, tablePort, KEEP_ALIVE_S, at("tables.json")],
      ...[quiet.debugLog[0], ...quiet.accessLog, quiet.debugLog[1], ...rest],
    ),
  );
  useIndexes(tables.metadataStore);
  for (const { httpServer } of [blobs, tables]) guard(httpServer);
  await blobs.start();
  await tables.start();
  return {
    connectionString: azuriteConnectionString({ blobPort, tablePort, accountKey }),
    accountKey,
    async close() {
      await Promise.all([blobs.close(), tables.close()]);
    },
  };
}

/** Applies the rules of local servers before Azurite receives a request. */
function guard(server: Server): void {
  const listeners = server.listeners("request") as RequestListener[];
  server.removeAllListeners("request");
  // Azurite itself requires a signature with the account's key for every change.
  for (const listener of listeners) server.on("request", localOnly(listener, { changes: "by-proof" }));
}

const KEY_BYTES = 64;

async function keptKey(file: string): Promise<string> {
  const kept = await readIfThere(file);
  if (kept !== undefined) return kept;
  const key = randomBytes(KEY_BYTES).toString("base64");
  await writePrivateFile(file, key);
  return key;
}

/** The name of every Azurite's account. */
const ACCOUNT = "devstoreaccount1";

export interface AzuriteAccess extends Pick<AzuriteOptions, "blobPort" | "tablePort"> {
  readonly accountKey: string;
}

export const azuriteConnectionString = ({ blobPort, tablePort, accountKey }: AzuriteAccess): string =>
  [
    "DefaultEndpointsProtocol=http",
    `AccountName=${ACCOUNT}`,
    `AccountKey=${accountKey}`,
    `BlobEndpoint=http://${HOST}:${blobPort}/${ACCOUNT}`,
    `TableEndpoint=http://${HOST}:${tablePort}/${ACCOUNT}`,
  ].join(";");
