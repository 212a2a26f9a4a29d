/**
 * Global setup of the integration tests: one Azurite in memory for the whole run, its tables and containers created.
 * Tests reach it through `testStorage()` in test-storage.ts and keep apart by using tenants of their own.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { TestProject } from "vitest/node";
import { connectStorage, provisionStorage } from "../../../runtime/azure/index.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Of blobs and tables. */
    storageConnectionString: string;
  }
}

const ACCOUNT = "devstoreaccount1";
/** Accounts of test files that must be alone with what they store, as those that start the API's program: it sweeps all tenants. */
export type OwnAccount = (typeof OWN_ACCOUNTS)[number];
const OWN_ACCOUNTS = [
  ...([
    "apifollowers",
    "apiprocesses",
    "everyoperation",
    "foreignpages",
    "keysweep",
    "releaseprograms",
    "scheduler",
    "shares",
  ] as const),
  ...(["telemetrykills", "telemetryloss", "telemetrylogs"] as const),
  ...(["webhookcrashes", "webhookdelivery", "webhookduty", "webhookprocesses"] as const),
] as const;
/** Of this run: pages in a browser of this machine reach the port, and know the key of the documentation. */
const KEY = randomBytes(64).toString("base64");

const OPTIONS = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"];
/** Port 0: the system picks free ones. */
const PORTS = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"];
const LISTENING = /Azurite (Blob|Table) service is successfully listening at (http:\/\/\S+)/g;

/** The same Azurite's connection string for an account of that name. */
export const ofAccount = (connectionString: string, name: OwnAccount): string =>
  connectionString.replaceAll(ACCOUNT, name);

interface Azurite {
  readonly connectionString: string;
  stop(): Promise<void>;
}

/** Resolves when it listens. */
async function startAzurite(): Promise<Azurite> {
  const directory = await mkdtemp(join(tmpdir(), "jobyard-azurite-"));
  const script = createRequire(import.meta.url).resolve("azurite/dist/src/azurite.js");
  const child = spawn(process.execPath, [script, ...OPTIONS, ...PORTS], {
    cwd: directory,
    env: { ...process.env, AZURITE_ACCOUNTS: [ACCOUNT, ...OWN_ACCOUNTS].map((name) => `${name}:${KEY}`).join(";") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const killWithParent = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithParent);
  const endpoints = await listeningEndpoints(child);
  return {
    connectionString: [
      "DefaultEndpointsProtocol=http",
      `AccountName=${ACCOUNT}`,
      `AccountKey=${KEY}`,
      ...[...endpoints].map(([service, address]) => `${service}Endpoint=${address}/${ACCOUNT}`),
    ].join(";"),
    async stop() {
      process.off("exit", killWithParent);
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Reads what it prints until both services have said where they listen. */
function listeningEndpoints({ stdout }: ChildProcessByStdio<null, Readable, null>): Promise<Map<string, string>> {
  return new Promise((resolve, reject) => {
    let printed = "";
    stdout.on("data", (chunk) => {
      printed += String(chunk);
      const lines = [...printed.matchAll(LISTENING)];
      const endpoints = new Map(lines.map(([, service = "", address = ""]) => [service, address]));
      if (endpoints.size === 2) resolve(endpoints);
    });
    stdout.once("end", () => reject(new Error(`Azurite did not start: ${printed}`)));
  });
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const azurite = await startAzurite();
  await provisionStorage(connectStorage({ kind: "connection-string", storage: azurite.connectionString }));
  project.provide("storageConnectionString", azurite.connectionString);
  return () => azurite.stop();
}
