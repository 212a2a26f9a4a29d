/** Creates the stores and queues of API and workers from connection settings, and chooses the credential. */
import { randomUUID } from "node:crypto";
import {
  type ServiceBusConnection,
  type StorageConnection,
  type StorageOptions,
  connectServiceBus,
  connectServiceBusAdmin,
  connectStorage,
  createAuditStore,
  createActionStore,
  createBatchStore,
  createCountStored,
  createDeliveryStore,
  createErasureStore,
  createEventPublisher,
  createEventSource,
  createIdentityGrantStore,
  createJobFiles,
  createJobIndex,
  createJobQueue,
  createJobStore,
  createKeyStore,
  createLeaderLease,
  createLineStore,
  createPackageCatalog,
  createPauseStore,
  createQuotaStore,
  createSweepNotes,
  createReleaseReader,
  createRemoval,
  createRetentionStore,
  createSettingStore,
  createSharedSecret,
  createTenantStore,
  createTickSender,
  createTimerStore,
  createTimerSubscriptions,
  createWaitingStore,
  createUniqueKeyStore,
  createWebhookStore,
  createWorkerStore,
} from "../azure/index.ts";
import { PACKAGE_ANSWER_FOR_MS, PACKAGE_SETTLES_MS } from "../core/limits.ts";
import type { ReleaseSettings } from "../core/settings/machine-settings.ts";
import type { Logger } from "../core/logger.ts";
import type { AuditStore } from "../core/ports/audit-store.ts";
import type { ActionStore } from "../core/ports/action-store.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { ErasureStore } from "../core/ports/erasure-store.ts";
import type { EventPublisher, EventSource } from "../core/ports/event-channel.ts";
import type { IdentityGrantStore } from "../core/ports/identity-grant-store.ts";
import type { JobFiles } from "../core/ports/job-files.ts";
import type { JobIndex } from "../core/ports/job-index.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { KeyStore } from "../core/ports/key-store.ts";
import type { PackageCatalog, PackageStore } from "../core/ports/package-store.ts";
import type { PauseStore } from "../core/ports/pause-store.ts";
import type { CountStored, QuotaStore } from "../core/ports/quota-store.ts";
import type { ReleaseReader } from "../core/ports/release-reader.ts";
import type { Removal } from "../core/ports/removal.ts";
import type { RetentionStore } from "../core/ports/retention-store.ts";
import type { LineStore } from "../core/ports/line-store.ts";
import type { OnUnreadable } from "../core/ports/stored.ts";
import type { SecretStore } from "../core/ports/secret-store.ts";
import type { SettingStore } from "../core/ports/setting-store.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import type { TimerStore } from "../core/ports/timer-store.ts";
import type { TickSender, TimerSubscriptions } from "../core/ports/timer-topic.ts";
import type { WaitingStore } from "../core/ports/waiting-store.ts";
import type { SweepNotes } from "../core/ports/sweep-notes.ts";
import type { UniqueKeyStore } from "../core/ports/unique-key-store.ts";
import type { DeliveryStore, WebhookStore } from "../core/ports/webhook-store.ts";
import type { LeaderLease, WorkerStore } from "../core/ports/worker-store.ts";
import type { ConnectionSettings, SecretSettings } from "../core/settings/service-settings.ts";
import { systemClock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { NO_SECRETS } from "../core/ports/secret-store.ts";

export interface Services {
  readonly jobs: JobStore;
  readonly actions: ActionStore;
  readonly index: JobIndex;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly queue: JobQueue;
  readonly packages: PackageStore & PackageCatalog;
  readonly files: JobFiles;
  readonly removal: Removal;
  readonly retentions: RetentionStore;
  readonly erasures: ErasureStore;
  readonly workers: WorkerStore;
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
  readonly countStored: CountStored;
  readonly uniqueKeys: UniqueKeyStore;
  /** The same in every process that can read it. Throws UnavailableError. */
  readonly sharedSecret: (name: string) => () => Promise<Uint8Array>;
  /** Has its own connection, so that events never delay other messages. */
  readonly eventPublisher: (metrics: Metrics, log: Logger) => EventPublisher;
  readonly eventSource: (name: string, onUnreadable: OnUnreadable, log: Logger) => EventSource;
  /** Has its own connection, so that waiting in an outage delays nothing else. */
  readonly tickSender: () => TickSender;
  /** Needs the right to manage the topic of ticks and its target queues. */
  readonly timerSubscriptions: () => TimerSubscriptions;
  /**
   * This process's part in the election for a duty. The lease outlives a crash of its holder by up to `durationMs`; where
   * two at a time do no harm, the next process of the same `writerId` has it at once.
   */
  readonly lease: (name: string, durationMs: number, twice?: "harmless") => LeaderLease;
}

export interface ConnectOptions extends StorageOptions {
  /** Identifies this process in counter rows. The same after a restart, and used by one process at a time. */
  readonly writerId: string;
  /** How long workers use an answer about a package. */
  readonly packageAnswerMs: number;
}

/** Two machines do not measure the same time for an answer. */
const CLOCKS_DIFFER_MS = PACKAGE_SETTLES_MS - PACKAGE_ANSWER_FOR_MS;

export async function connect(
  settings: ConnectionSettings,
  { writerId, packageAnswerMs, onServiceTime }: ConnectOptions,
): Promise<Services> {
  const connections = await connectionsOf(settings);
  const storage = connectStorage(connections.storage, { ...(onServiceTime && { onServiceTime }) });
  const deliveries = createDeliveryStore({ storage });
  return {
    jobs: createJobStore({ storage, writerId }),
    actions: createActionStore({ storage }),
    index: createJobIndex({ storage }),
    batches: createBatchStore({ storage }),
    keys: createKeyStore({ storage }),
    queue: createJobQueue({ bus: connectServiceBus(connections.serviceBus) }),
    packages: createPackageCatalog({
      storage,
      settlesMs: packageAnswerMs === 0 ? 0 : packageAnswerMs + CLOCKS_DIFFER_MS,
    }),
    files: createJobFiles({ storage }),
    removal: createRemoval({ storage }),
    retentions: createRetentionStore({ storage }),
    erasures: createErasureStore({ storage }),
    workers: createWorkerStore({ storage }),
    tenants: createTenantStore({ storage }),
    webhooks: createWebhookStore({ storage, deliveries }),
    deliveries,
    timers: createTimerStore({ storage }),
    lines: createLineStore({ storage }),
    settings: createSettingStore({ storage }),
    identityGrants: createIdentityGrantStore({ storage }),
    audit: createAuditStore({ storage }),
    pauses: createPauseStore({ storage }),
    waiting: createWaitingStore({ storage, now: systemClock.now }),
    quotas: createQuotaStore({ storage }),
    sweepNotes: createSweepNotes({ storage }),
    countStored: createCountStored({ storage }),
    uniqueKeys: createUniqueKeyStore({ storage }),
    secrets: await secretStoreOf(settings.secrets),
    sharedSecret: (name) => createSharedSecret(storage, name),
    eventPublisher: (metrics, log) =>
      createEventPublisher({ bus: connectServiceBus(connections.serviceBus), metrics, log }),
    eventSource: (name, onUnreadable, log) =>
      createEventSource({
        bus: connectServiceBus(connections.serviceBus, { listens: true }),
        admin: connectServiceBusAdmin(connections.serviceBus),
        name,
        onUnreadable,
        log,
      }),
    timerSubscriptions: () => createTimerSubscriptions({ admin: connectServiceBusAdmin(connections.serviceBus) }),
    tickSender: () => createTickSender({ bus: connectServiceBus(connections.serviceBus) }),
    lease: (name, durationMs, twice) =>
      createLeaderLease({
        storage,
        name,
        durationMs,
        holder: twice === "harmless" ? writerId : randomUUID(),
        monotonicNow: systemClock.monotonicNow,
      }),
  };
}

/** Releases have their own account, separate from all data of jobs. */
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
    const { kind, storage, serviceBus, serviceBusAdmin } = settings;
    return { storage: { kind, storage }, serviceBus: { kind, serviceBus, serviceBusAdmin } };
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

async function secretStoreOf(settings: SecretSettings | undefined): Promise<SecretStore> {
  if (settings === undefined) return NO_SECRETS;
  // Loaded only when needed: a deployment has no local code, and a laptop starts faster without the other.
  if (settings.kind === "directory") {
    const { createSecretFiles } = await import("../local/secret-files.ts");
    return createSecretFiles(settings.directory);
  }
  const { createKeyVaultSecrets } = await import("../azure/vault/key-vault-secrets.ts");
  return createKeyVaultSecrets({ vaultUrl: settings.vaultUrl, credential: await azureCredential() });
}

/** In Azure the managed identity AZURE_CLIENT_ID; on a developer's machine the signed-in user. */
export async function azureCredential() {
  // Loaded only when needed, because a laptop starts faster without it.
  const { DefaultAzureCredential } = await import("@azure/identity");
  return new DefaultAzureCredential();
}
