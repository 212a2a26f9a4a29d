/**
 * Azurite, Microsoft's storage emulator, inside this process: blobs and tables on loopback, kept in a folder. Its
 * command line offers no way to wait until everything is on disk, so its servers are started through their own classes;
 * they are internal, which is why the package's version is pinned exactly.
 *
 * Its account has a random key, kept in the folder for this user alone: with the well-known one, any web page that
 * reaches the port could read and write everything. For the same reason the Host of every request is judged.
 *
 * Azurite writes its tables every five seconds and at a clean stop: killed with SIGKILL it forgets up to that much.
 */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import type { RequestListener, Server } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { localOnly } from "../core/loopback.ts";
import { readIfThere, writePrivateFile } from "./private-file.ts";

interface AzuriteServer {
  /** Answers nothing before `start`. */
  readonly httpServer: Server;
  start(): Promise<void>;
  close(): Promise<void>;
}

interface AzuriteModules {
  readonly "blob/BlobConfiguration.js": new (...fields: unknown[]) => object;
  readonly "blob/BlobServer.js": new (configuration: object) => AzuriteServer;
  readonly "table/TableConfiguration.js": new (...fields: unknown[]) => object;
  readonly "table/TableServer.js": new (configuration: object) => AzuriteServer;
}

const require = createRequire(import.meta.url);
const load = <K extends keyof AzuriteModules>(path: K): AzuriteModules[K] =>
  (require(`azurite/dist/src/${path}`) as { default: AzuriteModules[K] }).default;

export interface AzuriteOptions {
  /** Where data lies; made if it is not there. */
  readonly directory: string;
  readonly blobPort: number;
  readonly tablePort: number;
  /** Of this process, and written to: Azurite takes its accounts from there only, and looks again every minute. */
  readonly environment: Record<string, string | undefined>;
}

export interface RunningAzurite {
  /** The same at every start in this folder. */
  readonly connectionString: string;
  /** For those who listen before it on ports of their own. */
  readonly accountKey: string;
  /** Resolves when all data is on disk. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const KEEP_ALIVE_S = 5;

/** Resolves once both services answer. Rejects with EADDRINUSE when a port is taken. */
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

/** Puts the rule of local servers before Azurite: it sees no request that the rule refuses. */
function guard(server: Server): void {
  const listeners = server.listeners("request") as RequestListener[];
  server.removeAllListeners("request");
  // A change needs a signature by the account's key.
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

/** The name that every Azurite's account has. */
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
