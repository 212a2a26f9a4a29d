/**
 * Azurite, Microsoft's storage emulator, inside this process: blobs and tables on loopback, kept in a folder. Its
 * command line offers no way to wait until everything is on disk, so its servers are started through their own classes;
 * they are internal, which is why the package's version is pinned exactly.
 *
 * Azurite writes its tables every five seconds and at a clean stop: killed with SIGKILL it forgets up to that much.
 */
import { createRequire } from "node:module";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

interface AzuriteServer {
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
}

export interface RunningAzurite {
  /** Resolves when all data is on disk. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const KEEP_ALIVE_S = 5;

/** Resolves once both services answer. Rejects with EADDRINUSE when a port is taken. */
export async function startAzurite({ directory, blobPort, tablePort }: AzuriteOptions): Promise<RunningAzurite> {
  const at = (name: string): string => join(directory, name);
  await mkdir(at("blobs"), { recursive: true });
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
  await blobs.start();
  await tables.start();
  return {
    async close() {
      await Promise.all([blobs.close(), tables.close()]);
    },
  };
}

/** The account every Azurite has, and its well-known key: it opens nothing but this emulator. */
const ACCOUNT = "devstoreaccount1";
const ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

export const azuriteConnectionString = ({
  blobPort,
  tablePort,
}: Pick<AzuriteOptions, "blobPort" | "tablePort">): string =>
  [
    "DefaultEndpointsProtocol=http",
    `AccountName=${ACCOUNT}`,
    `AccountKey=${ACCOUNT_KEY}`,
    `BlobEndpoint=http://${HOST}:${blobPort}/${ACCOUNT}`,
    `TableEndpoint=http://${HOST}:${tablePort}/${ACCOUNT}`,
  ].join(";");
