/**
 * Everything the API keeps, in memory: what it promises is held against the Azure adapters by test/integration/ports.
 */
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobFiles } from "../../../runtime/core/ports/job-files.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { KeyStore } from "../../../runtime/core/ports/key-store.ts";
import type { PackageCatalog, PackageStore } from "../../../runtime/core/ports/package-store.ts";
import type { TenantStore } from "../../../runtime/core/ports/tenant-store.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { DeliveryStore, WebhookStore } from "../../../runtime/core/ports/webhook-store.ts";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import { createMemoryBatches } from "./memory-batches.ts";
import { createMemoryFiles } from "./memory-files.ts";
import { createMemoryJobs } from "./memory-jobs.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { createMemoryPackages } from "./memory-packages.ts";
import { createMemoryTenants } from "./memory-tenants.ts";
import { createMemoryTimers } from "./memory-timers.ts";
import { createMemoryWebhooks } from "./memory-webhooks.ts";
import { createMemoryWorkers } from "./memory-workers.ts";

export interface Stores {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly workers: WorkerStore;
  readonly packages: PackageStore & PackageCatalog;
  readonly tenants: TenantStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
  readonly timers: TimerStore;
  readonly files: JobFiles;
}

export const createMemoryStores = (): Stores => ({
  jobs: createMemoryJobs(),
  batches: createMemoryBatches(),
  keys: createMemoryKeys(),
  workers: createMemoryWorkers(),
  packages: createMemoryPackages(),
  tenants: createMemoryTenants(),
  ...createMemoryWebhooks(),
  timers: createMemoryTimers(),
  files: createMemoryFiles(),
});
