/** Everything the API keeps, in the run's Azurite or in the storage that is given. */
import { randomBytes } from "node:crypto";
import {
  createAuditStore,
  createActionStore,
  createBatchStore,
  createDeliveryStore,
  createErasureStore,
  createIdentityGrantStore,
  createJobFiles,
  createJobIndex,
  createJobStore,
  createKeyStore,
  createLineStore,
  createPackageCatalog,
  createPauseStore,
  createRemoval,
  createRetentionStore,
  createQuotaStore,
  createSweepNotes,
  createSettingStore,
  createTenantStore,
  createTimerStore,
  createWaitingStore,
  createUniqueKeyStore,
  createWebhookStore,
  createWorkerStore,
  type StorageClients,
} from "../../../runtime/azure/index.ts";
import type { Row } from "../../../runtime/azure/tables/columns.ts";
import { readRow } from "../../../runtime/azure/tables/rows.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { createMemorySecrets } from "./memory-settings.ts";
import { testStorage } from "./test-storage.ts";
import type { Stores } from "./memory-stores.ts";

/** There is no emulator of Key Vault. The processes of a test share it, as they share Azurite. */
const secrets = createMemorySecrets();

/** Clients of their own, as those of another process. */
export function createAzureStores(
  writerId = `test-${randomBytes(4).toString("hex")}`,
  storage: StorageClients = testStorage(),
): Stores {
  const deliveries = createDeliveryStore({ storage });
  return {
    jobs: createJobStore({ storage, writerId }),
    actions: createActionStore({ storage }),
    index: createJobIndex({ storage }),
    batches: createBatchStore({ storage }),
    keys: createKeyStore({ storage }),
    workers: createWorkerStore({ storage }),
    // Workers of tests ask at every attempt (`askAlways`), so nothing waits for them.
    packages: createPackageCatalog({ storage, settlesMs: 0 }),
    tenants: createTenantStore({ storage }),
    webhooks: createWebhookStore({ storage, deliveries }),
    deliveries,
    timers: createTimerStore({ storage }),
    lines: createLineStore({ storage }),
    settings: createSettingStore({ storage }),
    identityGrants: createIdentityGrantStore({ storage }),
    audit: createAuditStore({ storage }),
    pauses: createPauseStore({ storage }),
    waiting: createWaitingStore({ storage, now: () => new Date() }),
    quotas: createQuotaStore({ storage }),
    sweepNotes: createSweepNotes({ storage }),
    uniqueKeys: createUniqueKeyStore({ storage }),
    secrets,
    files: createJobFiles({ storage }),
    removal: createRemoval({ storage }),
    retentions: createRetentionStore({ storage }),
    erasures: createErasureStore({ storage }),
    rows: {
      async merge(table, keys, cells) {
        await storage.table(TABLES[table]).retrying.upsertEntity({ ...keys, ...cells }, "Merge");
      },
      async get(table, { partitionKey, rowKey }) {
        return (await readRow(storage.table(TABLES[table]), partitionKey, rowKey))?.cells;
      },
      async all(table) {
        const rows: Row[] = [];
        for await (const row of storage.table(TABLES[table]).retrying.listEntities()) rows.push(row);
        return rows;
      },
    },
  };
}
