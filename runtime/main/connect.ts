/** Turns connection settings into the stores and the queue that API and workers use. The credential is chosen here. */
import { randomUUID } from "node:crypto";
import {
  connectServiceBus,
  connectStorage,
  createBatchStore,
  createJobFiles,
  createJobQueue,
  createJobStore,
  createKeyStore,
  createLeaderLease,
  createPackageStore,
  createTenantStore,
  createReleaseReader,
  createWorkerStore,
  type ServiceBusConnection,
  type StorageConnection,
} from "../azure/index.ts";
import type {
  BatchStore,
  JobFiles,
  JobQueue,
  JobStore,
  KeyStore,
  LeaderLease,
  PackageCatalog,
  PackageStore,
  TenantStore,
  ReleaseReader,
  WorkerStore,
} from "../core/ports.ts";
import type { ReleaseSettings } from "../core/machine-settings.ts";
import type { ConnectionSettings } from "../core/settings.ts";

export interface Services {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly queue: JobQueue;
  readonly packages: PackageStore & PackageCatalog;
  readonly files: JobFiles;
  readonly workers: WorkerStore;
  readonly tenants: TenantStore;
  /** This process's part in the election for a duty. */
  readonly lease: (name: string) => LeaderLease;
}

/** A duty whose process died waits no longer than this; one whose process merely meets slow storage keeps it. */
const LEASE_MS = 30_000;

/** `writerId` names this process in counter rows: the same after a restart, no two at a time. */
export async function connect(
  settings: ConnectionSettings,
  { writerId }: { readonly writerId: string },
): Promise<Services> {
  const connections = await connectionsOf(settings);
  const storage = connectStorage(connections.storage);
  return {
    jobs: createJobStore({ storage, writerId }),
    batches: createBatchStore({ storage }),
    keys: createKeyStore({ storage }),
    queue: createJobQueue({ bus: connectServiceBus(connections.serviceBus) }),
    packages: createPackageStore({ storage }),
    files: createJobFiles({ storage }),
    workers: createWorkerStore({ storage }),
    tenants: createTenantStore({ storage }),
    lease: (name) =>
      createLeaderLease({
        storage,
        name,
        durationMs: LEASE_MS,
        newId: randomUUID,
        monotonicNow: () => performance.now(),
      }),
  };
}

/** Releases lie in an account of their own, which no job's data shares. */
export async function connectReleases(settings: ReleaseSettings): Promise<ReleaseReader> {
  if (settings.kind === "connection-string") return createReleaseReader({ storage: connectStorage(settings) });
  const { kind, storageAccount } = settings;
  const credential = await azureCredential();
  return createReleaseReader({ storage: connectStorage({ kind, ...storageUrls(storageAccount), credential }) });
}

interface Connections {
  readonly storage: StorageConnection;
  readonly serviceBus: ServiceBusConnection;
}

async function connectionsOf(settings: ConnectionSettings): Promise<Connections> {
  if (settings.kind === "connection-string") {
    const { kind, storage, serviceBus } = settings;
    return { storage: { kind, storage }, serviceBus: { kind, serviceBus } };
  }
  const { kind, storageAccount, serviceBusNamespace } = settings;
  const credential = await azureCredential();
  return {
    storage: { kind, ...storageUrls(storageAccount), credential },
    serviceBus: { kind, serviceBusNamespace, credential },
  };
}

function storageUrls(account: string): { readonly tablesUrl: string; readonly blobsUrl: string } {
  const urlOf = (service: string): string => `https://${account}.${service}.core.windows.net`;
  return { tablesUrl: urlOf("table"), blobsUrl: urlOf("blob") };
}

/** In Azure the managed identity that AZURE_CLIENT_ID names; on a developer's machine whoever is signed in. */
async function azureCredential() {
  // Loaded only where it is needed: a laptop starts without it.
  const { DefaultAzureCredential } = await import("@azure/identity");
  return new DefaultAzureCredential();
}
