/** Every operation of the web API, in one list: the source of its routes and of its document. */
import type { AuthFacts } from "../../core/http/auth-facts.ts";
import type { Retention } from "../../core/job/retention.ts";
import type { IdSource } from "../../core/job/ids.ts";
import type { AuditStore } from "../../core/ports/audit-store.ts";
import type { ActionStore } from "../../core/ports/action-store.ts";
import type { ErasureStore } from "../../core/ports/erasure-store.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { Logger } from "../../core/logger.ts";
import type { IdentityGrantStore } from "../../core/ports/identity-grant-store.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobIndex } from "../../core/ports/job-index.ts";
import type { JobQueue } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { KeyStore } from "../../core/ports/key-store.ts";
import type { LineStore } from "../../core/ports/line-store.ts";
import type { PackageCatalog } from "../../core/ports/package-store.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { RetentionStore } from "../../core/ports/retention-store.ts";
import type { QuotaStore } from "../../core/ports/quota-store.ts";
import type { SecretStore } from "../../core/ports/secret-store.ts";
import type { SettingStore } from "../../core/ports/setting-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { Programs } from "../../core/ports/programs.ts";
import type { SweepNotes } from "../../core/ports/sweep-notes.ts";
import type { UniqueKeyStore } from "../../core/ports/unique-key-store.ts";
import type { DeliveryStore, WebhookStore } from "../../core/ports/webhook-store.ts";
import type { WorkerStore } from "../../core/ports/worker-store.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import { createUniqueJobs } from "../../lifecycle/unique-jobs.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { JobIndexer } from "../../lifecycle/job-indexer.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import { createWake } from "../../lifecycle/limits/wake-line.ts";
import type { TimerRegistration } from "../../timers/register/registration.ts";
import { createBatchCommands } from "../batch-commands.ts";
import { refusingErased } from "../erase/begin-erasure.ts";
import type { EventStreamDeps } from "../events/event-stream.ts";
import type { Tickets } from "../events/tickets.ts";
import { sleep } from "../../core/sleep.ts";
import { joinCalls } from "../../core/join-calls.ts";
import type { Operation } from "../http/operation.ts";
import { createLookup } from "../lookup.ts";
import type { ReleasePublisher } from "../publish-release.ts";
import { createQuotas, givingBackMany, givingBackOne, withQuotas } from "../quotas.ts";
import { createPublishedJobs } from "../published-jobs.ts";
import type { BellOutbox } from "../submit/bell-outbox.ts";
import { createSettingCommands } from "../setting-commands.ts";
import { createFindBatch } from "../submit/find-batch.ts";
import { createKnownJobs } from "../submit/known-jobs.ts";
import { createReservations } from "../submit/reservations.ts";
import { createRunTimer } from "../submit/run-timer.ts";
import { createSubmitJob } from "../submit/submit-job.ts";
import { createSubmitMany } from "../submit/submit-many.ts";
import { createJobWriter } from "../submit/write-job.ts";
import type { NoteFull } from "../webhooks/announce-full.ts";
import type { Post } from "../webhooks/post.ts";
import { accessOperations } from "./access-routes.ts";
import { auditOperations } from "./audit-routes.ts";
import { actionOperations } from "./action-routes.ts";
import { batchOperations } from "./batch-routes.ts";
import { createDeadLetterBrowser } from "../dead-letter-browser.ts";
import { deadLetterOperations } from "./dead-letter-routes.ts";
import { createFindJobs } from "../find/find-jobs.ts";
import { createReadOverview } from "../find/read-overview.ts";
import { erasureOperations } from "./erasure-routes.ts";
import { eventOperations } from "./event-routes.ts";
import { exportOperations } from "./export-routes.ts";
import { findOperations } from "./find-routes.ts";
import { identityOperations } from "./identity-routes.ts";
import { jobOutputOperations } from "./job-output-routes.ts";
import { jobOperations } from "./job-routes.ts";
import { retentionOperations } from "./retention-routes.ts";
import { packageOperations } from "./package-routes.ts";
import { pauseOperations } from "./pause-routes.ts";
import { quotaOperations } from "./quota-routes.ts";
import { settingOperations } from "./setting-routes.ts";
import { submitOperations } from "./submit-routes.ts";
import { timerOperations } from "./timer-routes.ts";
import { webhookOperations } from "./webhook-routes.ts";
import { systemOperations } from "./system-routes.ts";
import { workerOperations } from "./worker-routes.ts";
import type { Clock } from "../../core/clock.ts";

export interface OperationDeps {
  readonly stores: ApiStores;
  readonly bus: ApiBus;
  /** Corrects entries that lists find stale. */
  readonly indexer: Pick<JobIndexer, "note" | "flush">;
  readonly completion: BatchCompletion;
  /** Publishes what the API does to jobs and batches. */
  readonly events: JobEvents;
  /** What is paused, as this process knows it. */
  readonly pauseBoard: Pick<PauseBoard, "current" | "refresh">;
  /** Clients that follow events. */
  readonly followers: Followers;
  readonly timers: TimerDeps;
  readonly webhooks: WebhookSending;
  readonly clock: ApiClock;
  readonly ids: IdSource;
  /** The packages that come with this release; undefined: none do. */
  readonly release: Pick<ReleasePublisher, "isPending"> | undefined;
  /** How to sign in. */
  readonly authFacts: AuthFacts;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  /** A worker whose last heartbeat is older is silent: its jobs go to others. */
  readonly silentAfterMs: number;
  /** What runs beside this process. */
  readonly programs: Programs;
  /** Time between two reads of a followed log. Default FOLLOW_LOG_EVERY_MS. */
  readonly followLogEveryMs?: number | undefined;
  /** Of tenants that have set none. */
  readonly defaultRetention: Retention;
  readonly log: Logger;
}

export interface ApiStores {
  /** What is written through it is noted by `indexer`. */
  readonly jobs: JobStore;
  readonly index: JobIndex;
  readonly actions: ActionStore;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly workers: Pick<WorkerStore, "get" | "list" | "requestCancel" | "requestDrain">;
  readonly files: JobFiles;
  readonly packages: PackageCatalog;
  readonly tenants: TenantStore;
  readonly timers: Pick<TimerStore, "get" | "list" | "run" | "write">;
  readonly lines: LineStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: Pick<DeliveryStore, "list" | "again">;
  readonly settings: SettingStore;
  readonly secrets: SecretStore;
  readonly identityGrants: IdentityGrantStore;
  readonly audit: AuditStore;
  readonly pauses: PauseStore;
  readonly retentions: RetentionStore;
  readonly erasures: ErasureStore;
  readonly quotas: QuotaStore;
  readonly uniqueKeys: Pick<UniqueKeyStore, "get" | "put">;
  readonly sweepNotes: Pick<SweepNotes, "read">;
}

export interface ApiBus {
  readonly queue: Pick<JobQueue, "send" | "peek" | "takeDeadLetters">;
  /** Sends to the same queue. Its owner closes it. */
  readonly outbox: BellOutbox;
}

export interface Followers extends EventStreamDeps {
  readonly tickets: Tickets;
}

export interface TimerDeps {
  /** Registers the timers of packages that are published, restored or deleted. */
  readonly registration: TimerRegistration;
  /** Starts a round of this process's scheduler at once. */
  readonly wakeScheduler: () => void;
}

export interface WebhookSending {
  readonly post: Post;
  /** Tells webhooks that a quota has refused. Default: nobody is told. */
  readonly noteFull?: NoteFull | undefined;
  /** Whether webhooks may name receivers on this machine. */
  readonly allowLoopback: boolean;
}

export interface ApiClock extends Clock {
  /** Throws UnavailableError when this process's clock cannot be trusted. */
  readonly trustedNow: Clock["now"];
}

export function createOperations(deps: OperationDeps): readonly Operation[] {
  const { bus, completion, clock, events, pauseBoard, timers, webhooks, release, pools, ids, log } = deps;
  // Every submit reads its batch before and after it writes the job. Submits that go on together share these reads.
  const batches = { ...deps.stores.batches, get: joinCalls((batchId) => deps.stores.batches.get(batchId)) };
  const stores = { ...deps.stores, batches };
  const lookup = createLookup(stores);
  const runningLimitOf = (tenantName: string): number | undefined => pauseBoard.current().runningLimitOf(tenantName);
  const placeLeft = createWake({ ...stores, queue: bus.queue, runningLimitOf });
  const shared = {
    ...stores,
    ...bus,
    ...clock,
    events,
    pauseBoard,
    ids,
    pools,
    lookup,
    completion,
    placeLeft,
    runningLimitOf,
  };

  const reservations = createReservations(shared);
  const findBatch = createFindBatch({ ...shared, reservations });
  const unique = createUniqueJobs({ ...shared, sleep });
  const writer = createJobWriter({ ...shared, unique });
  const publishedJobs = createPublishedJobs(stores.packages);
  const quotas = createQuotas({ ...shared, noteFull: webhooks.noteFull });
  const packagesKnown = createKnownJobs({
    ...shared,
    publishedJobs,
    isReleasePending: (tenantName, packageName) => release?.isPending(tenantName, packageName) ?? false,
  });
  const knownJobs = refusingErased(withQuotas(packagesKnown, quotas), pauseBoard);
  const submitDeps = { ...shared, findBatch, reservations, writer, knownJobs };
  const submitJob = givingBackOne(createSubmitJob(submitDeps), quotas);
  const submitMany = givingBackMany(createSubmitMany(submitDeps), quotas);
  const runTimer = createRunTimer({ ...shared, reservations, writer });
  const findJobs = createFindJobs({ ...shared, indexer: deps.indexer });
  const readOverview = createReadOverview({ ...shared, indexer: deps.indexer });
  const { registration: timerRegistration, wakeScheduler } = timers;
  const settingCommands = createSettingCommands({ ...shared, log });

  return [
    ...submitOperations({ ...shared, submitJob, submitMany, findBatch }),
    ...jobOperations({ ...shared, placeUnique: (stored) => unique.place(stored) }),
    ...jobOutputOperations({ ...shared, followLogEveryMs: deps.followLogEveryMs }),
    ...findOperations({ ...shared, findJobs, readOverview }),
    ...exportOperations(shared),
    ...actionOperations(shared),
    ...batchOperations({ ...shared, findBatch, commands: createBatchCommands(shared) }),
    ...deadLetterOperations(createDeadLetterBrowser(shared)),
    ...packageOperations({ ...shared, publishedJobs, timerRegistration, storageQuota: quotas.storage }),
    ...settingOperations({ ...shared, settingCommands }),
    ...timerOperations({ ...shared, runTimer, wakeScheduler }),
    ...pauseOperations(shared),
    ...eventOperations({ ...deps.followers, lookup }),
    ...webhookOperations({ ...shared, ...webhooks }),
    ...workerOperations({ ...shared, silentAfterMs: deps.silentAfterMs }),
    ...systemOperations({ ...shared, programs: deps.programs }),
    ...identityOperations({ ...shared, log }),
    ...auditOperations(shared),
    ...retentionOperations({ ...shared, defaultRetention: deps.defaultRetention }),
    ...erasureOperations(shared),
    ...quotaOperations({ ...shared, forget: quotas.forget }),
    ...accessOperations({ ...shared, timerRegistration, settingCommands, authFacts: deps.authFacts }),
  ];
}
