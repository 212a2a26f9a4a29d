/**
 * Everything the API keeps, in memory: what it promises is held against the Azure adapters by test/integration/ports.
 */
import type { Cells, Row } from "../../../runtime/azure/tables/columns.ts";
import type { RowKeys } from "../../../runtime/azure/tables/rows.ts";
import type { AuditStore } from "../../../runtime/core/ports/audit-store.ts";
import type { ActionStore } from "../../../runtime/core/ports/action-store.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { ErasureStore } from "../../../runtime/core/ports/erasure-store.ts";
import type { IdentityGrantStore } from "../../../runtime/core/ports/identity-grant-store.ts";
import type { JobFiles } from "../../../runtime/core/ports/job-files.ts";
import type { JobIndex } from "../../../runtime/core/ports/job-index.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { KeyStore } from "../../../runtime/core/ports/key-store.ts";
import type { LineStore } from "../../../runtime/core/ports/line-store.ts";
import type { PackageCatalog, PackageStore } from "../../../runtime/core/ports/package-store.ts";
import type { PauseStore } from "../../../runtime/core/ports/pause-store.ts";
import type { Removal } from "../../../runtime/core/ports/removal.ts";
import type { RetentionStore } from "../../../runtime/core/ports/retention-store.ts";
import type { SweepNotes } from "../../../runtime/core/ports/sweep-notes.ts";
import type { QuotaStore } from "../../../runtime/core/ports/quota-store.ts";
import type { SecretStore } from "../../../runtime/core/ports/secret-store.ts";
import type { SettingStore } from "../../../runtime/core/ports/setting-store.ts";
import type { TenantStore } from "../../../runtime/core/ports/tenant-store.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { WaitingStore } from "../../../runtime/core/ports/waiting-store.ts";
import type { UniqueKeyStore } from "../../../runtime/core/ports/unique-key-store.ts";
import type { DeliveryStore, WebhookStore } from "../../../runtime/core/ports/webhook-store.ts";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { createMemoryAudit } from "./memory-audit.ts";
import { createMemoryActions } from "./memory-actions.ts";
import { createMemoryBatches } from "./memory-batches.ts";
import { createMemoryFiles } from "./memory-files.ts";
import { createMemoryIndex } from "./memory-index.ts";
import { createMemoryJobs } from "./memory-jobs.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { createMemoryLines } from "./memory-lines.ts";
import { createMemoryPackages } from "./memory-packages.ts";
import { createMemoryIdentityGrants, createMemorySecrets, createMemorySettings } from "./memory-settings.ts";
import { createMemoryErasures, createMemoryRemoval, createMemoryRetentions } from "./memory-removal.ts";
import { MemoryTable } from "./memory-table.ts";
import { createMemoryQuotas } from "./memory-quotas.ts";
import { createMemorySweepNotes } from "./memory-sweep-notes.ts";
import { createMemoryTenants } from "./memory-tenants.ts";
import { createMemoryTimers } from "./memory-timers.ts";
import { createMemoryPauses, createMemoryWaiting } from "./memory-waiting.ts";
import { createMemoryUniqueKeys } from "./memory-unique-keys.ts";
import { createMemoryWebhooks } from "./memory-webhooks.ts";
import { createMemoryWorkers } from "./memory-workers.ts";

export interface Stores {
  readonly jobs: JobStore;
  readonly actions: ActionStore;
  readonly index: JobIndex;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly workers: WorkerStore;
  readonly packages: PackageStore & PackageCatalog;
  readonly tenants: TenantStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
  readonly timers: TimerStore;
  readonly lines: LineStore;
  readonly settings: SettingStore;
  readonly secrets: SecretStore;
  readonly identityGrants: IdentityGrantStore;
  readonly audit: AuditStore;
  readonly pauses: PauseStore;
  readonly waiting: WaitingStore;
  readonly quotas: QuotaStore;
  readonly sweepNotes: SweepNotes;
  readonly uniqueKeys: UniqueKeyStore;
  readonly files: JobFiles;
  readonly removal: Removal;
  readonly retentions: RetentionStore;
  readonly erasures: ErasureStore;
  /** The rows themselves, as another release could read and write them. */
  readonly rows: RawRows;
}

export interface RawRows {
  /** Adds cells to a row, or makes it. */
  merge(table: TableName, keys: RowKeys, cells: Cells): Promise<void>;
  get(table: TableName, keys: RowKeys): Promise<Row | undefined>;
  all(table: TableName): Promise<readonly Row[]>;
}

export type TableName = keyof typeof TABLES;

export function createMemoryStores(): Stores {
  const names = Object.keys(TABLES) as TableName[];
  const tables = Object.fromEntries(names.map((name) => [name, new MemoryTable()])) as Record<TableName, MemoryTable>;
  const files = createMemoryFiles();
  const packages = createMemoryPackages();
  return {
    jobs: createMemoryJobs(tables.jobs),
    actions: createMemoryActions(tables.actions),
    index: createMemoryIndex(tables.index),
    batches: createMemoryBatches(tables.batches),
    keys: createMemoryKeys(tables.keys),
    workers: createMemoryWorkers(tables.workers),
    packages,
    tenants: createMemoryTenants(tables.tenants),
    ...createMemoryWebhooks(tables.webhooks),
    timers: createMemoryTimers(tables.timers),
    lines: createMemoryLines(tables.gates),
    settings: createMemorySettings(tables.settings),
    secrets: createMemorySecrets(),
    identityGrants: createMemoryIdentityGrants(tables.settings),
    audit: createMemoryAudit(tables.audit),
    pauses: createMemoryPauses(tables.settings),
    waiting: createMemoryWaiting(tables.jobs),
    files,
    removal: createMemoryRemoval({ ...tables, files, packagesOf: packages }),
    retentions: createMemoryRetentions(tables.tenants),
    erasures: createMemoryErasures(tables.tenants),
    quotas: createMemoryQuotas(tables.tenants),
    sweepNotes: createMemorySweepNotes(tables.settings),
    uniqueKeys: createMemoryUniqueKeys(tables.keys),
    rows: {
      merge: (table, keys, cells) => {
        tables[table].put(keys, { ...tables[table].peek(keys)?.cells, ...cells });
        return Promise.resolve();
      },
      get: (table, keys) => Promise.resolve(tables[table].peek(keys)?.cells),
      all: async (table) => (await tables[table].all()).map(({ cells }) => cells),
    },
  };
}
