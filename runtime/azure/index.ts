/** The adapters that implement core/ports/ on Azure, or on what stands in for it on a laptop. */
export { createBatchStore } from "./batch-store.ts";
export {
  connectServiceBus,
  connectServiceBusAdmin,
  connectStorage,
  type ServiceBusConnection,
  type StorageClients,
  type StorageConnection,
  type StorageOptions,
} from "./connect.ts";
export { createEventPublisher } from "./event-publisher.ts";
export { createEventSource } from "./event-source.ts";
export { createJobFiles } from "./job-files.ts";
export { createJobQueue } from "./job-queue.ts";
export { createJobStore } from "./job-store.ts";
export { createKeyStore } from "./key-store.ts";
export { createLeaderLease } from "./leader-lease.ts";
export { createPackageStore } from "./package-store.ts";
export { provisionStorage } from "./provision.ts";
export { createSharedSecret } from "./shared-secret.ts";
export { createTenantStore } from "./tenant-store.ts";
export { createDeliveryStore } from "./webhook-delivery-store.ts";
export { createWebhookStore } from "./webhook-store.ts";
export { createTimerSubscriptions } from "./timer-subscriptions.ts";
export { createTickSender } from "./tick-sender.ts";
export { createTimerStore } from "./timer-store.ts";
export { createReleaseReader } from "./release-reader.ts";
export { createWorkerStore } from "./worker-store.ts";
