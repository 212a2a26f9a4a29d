/** The adapters that implement core/ports/ on Azure and on its local emulators. */
export { createAuditStore } from "./tables/audit-store.ts";
export { createActionStore } from "./tables/action-store.ts";
export { createBatchStore } from "./tables/batch-store.ts";
export {
  connectServiceBus,
  connectServiceBusAdmin,
  connectStorage,
  provisionStorage,
  type ServiceBusConnection,
  type StorageClients,
  type StorageConnection,
  type StorageOptions,
} from "./connect.ts";
export { createErasureStore } from "./tables/erasure-store.ts";
export { createEventPublisher } from "./bus/event-publisher.ts";
export { createEventSource } from "./bus/event-source.ts";
export { createIdentityGrantStore } from "./tables/identity-grant-store.ts";
export { createJobIndex } from "./tables/job-index.ts";
export { createJobFiles } from "./blobs/job-files.ts";
export { createJobQueue } from "./bus/job-queue.ts";
export { createJobStore } from "./tables/job-store.ts";
export { createKeyStore } from "./tables/key-store.ts";
export { createLeaderLease } from "./blobs/leader-lease.ts";
export { createLineStore } from "./tables/line-store.ts";
export { createPackageCatalog } from "./blobs/package-catalog.ts";
export { createPauseStore } from "./tables/pause-store.ts";
export { createPackageStore } from "./blobs/package-store.ts";
export { createRemoval } from "./removal.ts";
export { createRetentionStore } from "./tables/retention-store.ts";
export { createSettingStore } from "./tables/setting-store.ts";
export { createSharedSecret } from "./tables/shared-secret.ts";
export { createTenantStore } from "./tables/tenant-store.ts";
export { createDeliveryStore } from "./tables/webhook-delivery-store.ts";
export { createWebhookStore } from "./tables/webhook-store.ts";
export { createTickSender, createTimerSubscriptions } from "./bus/timer-topic.ts";
export { createTimerStore } from "./tables/timer-store.ts";
export { createSweepNotes } from "./tables/sweep-notes.ts";
export { createQuotaStore } from "./tables/quota-store.ts";
export { createCountStored } from "./blobs/count-stored.ts";
export { createReleaseReader } from "./blobs/release-reader.ts";
export { connectScaleSet } from "./machine/scale-set-services.ts";
export { createWaitingStore } from "./tables/waiting-store.ts";
export { createUniqueKeyStore } from "./tables/unique-key-store.ts";
export { createWorkerStore } from "./tables/worker-store.ts";
