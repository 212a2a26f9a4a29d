/** The API over memory, or over stores of the test's own, answering on a port of its own. */
import { createUnreadable } from "../../../runtime/core/unreadable.ts";
import { randomBytes } from "node:crypto";
import { createApp } from "../../../runtime/api/app.ts";
import { identifyAs, LOCAL_CALLER, type Caller, type Identify } from "../../../runtime/api/auth/caller.ts";
import type { WebFiles } from "../../../runtime/api/http/web-pages.ts";
import { createHttpServer, type HttpServerOptions } from "../../../runtime/api/http/http-server.ts";
import type { Readiness } from "../../../runtime/api/readiness.ts";
import type { Metrics } from "../../../runtime/telemetry/metrics.ts";
import { retentionOf } from "../../../runtime/core/job/retention.ts";
import type { Post } from "../../../runtime/api/webhooks/post.ts";
import { createBellOutbox } from "../../../runtime/api/submit/bell-outbox.ts";
import { createIdSource } from "../../../runtime/core/job/ids.ts";
import { REQUESTS_PER_MINUTE_MAX } from "../../../runtime/core/limits.ts";
import type { EventLevel } from "../../../runtime/core/job/events.ts";
import type { Logger } from "../../../runtime/core/logger.ts";
import type { ActionStore } from "../../../runtime/core/ports/action-store.ts";
import type { AuditStore } from "../../../runtime/core/ports/audit-store.ts";
import type { RetentionStore } from "../../../runtime/core/ports/retention-store.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { KeyStore } from "../../../runtime/core/ports/key-store.ts";
import type { PackageCatalog } from "../../../runtime/core/ports/package-store.ts";
import type { ErasureStore } from "../../../runtime/core/ports/erasure-store.ts";
import type { IdentityGrantStore } from "../../../runtime/core/ports/identity-grant-store.ts";
import type { PauseStore } from "../../../runtime/core/ports/pause-store.ts";
import type { QuotaStore } from "../../../runtime/core/ports/quota-store.ts";
import type { SettingStore } from "../../../runtime/core/ports/setting-store.ts";
import type { TenantStore } from "../../../runtime/core/ports/tenant-store.ts";
import type { WebhookStore } from "../../../runtime/core/ports/webhook-store.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import type { BatchView, DeadLetterView, JobView } from "../../../runtime/core/http/views.ts";
import type { TrafficSettings } from "../../../runtime/core/settings/api-settings.ts";
import { DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import type { LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { startPauseBoard } from "../../../runtime/lifecycle/pause-board.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import type { JobIndex } from "../../../runtime/core/ports/job-index.ts";
import { createJobIndexer, indexedJobs } from "../../../runtime/lifecycle/job-indexer.ts";
import { composeShares, composeTimers } from "../../../runtime/main/compose-api.ts";
import { createContract, type Contract, type ContractDocument } from "./contract.ts";
import { testPrograms } from "./test-programs.ts";
import { watchConnections, type ConnectionsByPort } from "../network/half-open-client.ts";
import { silentLog, silentEvents, silentMetrics } from "../silent.ts";
import { followed, type FollowOptions } from "../events/follow.ts";
import { apiStores } from "../stores/api-stores.ts";
import type { Stores } from "../stores/memory-stores.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import { waitsForAnotherRun } from "../../../runtime/timers/run/next-run.ts";
import { withTimerBatches } from "../../../runtime/timers/run/timer-runs.ts";
import { systemClock } from "../../../runtime/core/clock.ts";

/** A worker without a heartbeat for this long is silent. */
export const SILENT_AFTER_MS = 1_000;
/** Between two looks at a log that is followed. */
const FOLLOW_LOG_EVERY_MS = 50;

export interface TestApi extends Stores, AsyncDisposable {
  readonly url: string;
  /** The same once more, for another API beside this one. */
  readonly stores: Stores;
  /** Clients that follow events now. */
  readonly followerCount: number;
  /** Every connection it has taken. */
  readonly connectionsByPort: ConnectionsByPort;
  readonly programs: ReturnType<typeof testPrograms>;
  /** Judges every answer to the calls below. */
  readonly contract: Contract;
  get(path: string): Promise<Answer>;
  delete(path: string): Promise<Answer>;
  /** Without a body: a command that has nothing more to say. */
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A ZIP as it is, anything else as JSON. */
  put(path: string, body?: unknown): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AnswerBody;
}

/** What answers of all routes may hold; a test knows which it asked for. */
export interface AnswerBody extends Omit<JobView, "state">, Pick<BatchView, "counts" | "generation" | "completedAt"> {
  readonly state: JobView["state"] | BatchView["state"];
  readonly requeued: number;
  readonly items: readonly (DeadLetterView & {
    readonly jobId: string;
    readonly batchName: string;
    readonly path: string;
  })[];
  readonly continuationToken?: string;
  readonly results: readonly {
    readonly jobId: string;
    readonly state?: string;
    readonly error?: { readonly code: string };
  }[];
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly target?: string;
    readonly requestId: string;
  };
}

export interface TestApiOptions {
  readonly caller?: Caller;
  /** Default: every request is from `caller`. */
  readonly identify?: Identify;
  readonly pools?: readonly string[];
  /** Default: fresh ones. */
  readonly stores?: Stores;
  /** Put between the API and its store by tests that move rows under its hands. */
  readonly wrapJobs?: (jobs: JobStore) => JobStore;
  readonly wrapBatches?: (batches: BatchStore) => BatchStore;
  readonly wrapKeys?: (keys: KeyStore) => KeyStore;
  readonly wrapWorkers?: (workers: WorkerStore) => WorkerStore;
  readonly wrapPackages?: (packages: PackageCatalog) => PackageCatalog;
  readonly wrapTenants?: (tenants: TenantStore) => TenantStore;
  readonly wrapWebhooks?: (webhooks: WebhookStore) => WebhookStore;
  readonly wrapSettings?: (settings: SettingStore) => SettingStore;
  readonly wrapPauses?: (pauses: PauseStore) => PauseStore;
  readonly wrapIdentityGrants?: (grants: IdentityGrantStore) => IdentityGrantStore;
  readonly wrapQuotas?: (quotas: QuotaStore) => QuotaStore;
  readonly wrapAudit?: (audit: AuditStore) => AuditStore;
  readonly wrapActions?: (actions: ActionStore) => ActionStore;
  /** Of what lists and overviews read. */
  readonly wrapIndex?: (index: JobIndex) => JobIndex;
  readonly wrapRetentions?: (retentions: RetentionStore) => RetentionStore;
  readonly wrapErasures?: (erasures: ErasureStore) => ErasureStore;
  /** Default: nothing is sent, and every test arrives. */
  readonly postWebhook?: Post;
  /** Default false. */
  readonly allowLoopbackWebhooks?: boolean;
  readonly wrapTimers?: (timers: TimerStore) => TimerStore;
  readonly wakeScheduler?: () => void;
  readonly now?: () => Date;
  /** Default: trusted. */
  readonly trustedNow?: () => Date;
  readonly monotonicNow?: () => number;
  /** Default: it is ready. */
  readonly readiness?: Readiness;
  /** Default: nothing is recorded. */
  readonly metrics?: Metrics;
  readonly metricsText?: () => Promise<string>;
  readonly isReleasePending?: (tenantName: string, packageName: string) => boolean;
  /** Default: as good as no limit, no origin, no proxy. */
  readonly traffic?: Partial<TrafficSettings>;
  /** Default: as in production. */
  readonly httpLimits?: HttpServerOptions;
  /** The dashboard. Default: none. */
  readonly web?: WebFiles | undefined;
  readonly log?: Logger;
  /** Where events are published and received; needs an administration port. Default: nowhere. */
  readonly bus?: LocalServiceBus;
  /** Parks jobs and refills queues, as in production. Default: every bell is sent at once. */
  readonly shares?: boolean;
  /** Which of them are published. Default: all. */
  readonly events?: EventLevel;
  readonly follow?: FollowOptions;
}

export async function startTestApi(
  queue: JobQueue,
  {
    caller = LOCAL_CALLER,
    identify = identifyAs(caller),
    pools = [DEFAULT_POOL],
    stores: inner,
    wrapJobs = (inner) => inner,
    wrapBatches = (inner) => inner,
    wrapKeys = (inner) => inner,
    wrapWorkers = (inner) => inner,
    wrapPackages = (inner) => inner,
    wrapTenants = (inner) => inner,
    wrapWebhooks = (inner) => inner,
    wrapSettings = (inner) => inner,
    wrapPauses = (inner) => inner,
    wrapIdentityGrants = (inner) => inner,
    wrapQuotas = (inner) => inner,
    wrapAudit = (inner) => inner,
    wrapActions = (inner) => inner,
    wrapIndex = (inner) => inner,
    wrapRetentions = (inner) => inner,
    wrapErasures = (inner) => inner,
    postWebhook = () => Promise.resolve({ answerCode: 200, answer: "thanks" }),
    allowLoopbackWebhooks = false,
    wrapTimers = (inner) => inner,
    wakeScheduler = () => undefined,
    now = () => new Date(),
    trustedNow = now,
    monotonicNow = () => performance.now(),
    readiness = () => Promise.resolve([]),
    metrics = silentMetrics,
    metricsText = () => Promise.resolve(""),
    isReleasePending = () => false,
    web,
    traffic = {},
    httpLimits,
    log = silentLog,
    bus,
    shares = false,
    events: eventLevel,
    follow,
  }: TestApiOptions = {},
): Promise<TestApi> {
  const kept = inner ?? (await apiStores());
  const ids = createIdSource({ now: systemClock.now, random32: () => randomBytes(4).readUInt32BE() });
  const { index } = kept;
  const indexer = createJobIndexer({
    index,
    jobs: kept.jobs,
    lingerMs: 0,
    monotonicNow: systemClock.monotonicNow,
    log,
  });
  const stores = {
    ...kept,
    jobs: indexedJobs(wrapJobs(kept.jobs), indexer),
    batches: wrapBatches(kept.batches),
    keys: wrapKeys(kept.keys),
    workers: wrapWorkers(kept.workers),
    packages: wrapPackages(kept.packages),
    tenants: wrapTenants(kept.tenants),
    webhooks: wrapWebhooks(kept.webhooks),
    settings: wrapSettings(kept.settings),
    pauses: wrapPauses(kept.pauses),
    identityGrants: wrapIdentityGrants(kept.identityGrants),
    audit: wrapAudit(kept.audit),
    actions: wrapActions(kept.actions),
    index: wrapIndex(index),
    retentions: wrapRetentions(kept.retentions),
    erasures: wrapErasures(kept.erasures),
    quotas: wrapQuotas(kept.quotas),
    timers: wrapTimers(kept.timers),
  };
  // Read only then: the SDKs take longer to load than most tests to run.
  const busSide = bus && (await import("../events/test-events.ts"));
  const publisher = busSide?.publishTo(bus, eventLevel, metrics);
  const events = publisher?.events ?? silentEvents;
  const clock = { now, trustedNow, monotonicNow };
  const unreadable = createUnreadable({ monotonicNow, log });
  const pauseBoard = startPauseBoard({ pauses: kept.pauses, unreadable, log });
  const lease = () => ({ hold: () => Promise.resolve(true), release: () => Promise.resolve() });
  const programs = testPrograms();
  const ofShares = { services: { ...stores, queue, lease }, pauseBoard, silentAfterMs: 60_000, unreadable, clock, log };
  const sharing = shares ? composeShares(ofShares) : undefined;
  const everyBell = createBellOutbox({ queue, log });
  const outbox = sharing?.windowOver(everyBell) ?? everyBell;
  const timers = composeTimers({
    stores: { ...stores, packages: { ...kept.packages, ...stores.packages } },
    subscriptions: bus?.adminConnectionString === undefined ? undefined : busSide?.timerSubscriptionsOf(bus),
    pools,
    outbox,
    events,
    onChange: wakeScheduler,
    clock,
    log,
  });
  const source = bus && busSide?.hearFrom(bus);
  const followers = followed({ metrics, ...follow });
  await source?.listen(
    (published) => followers.fanOut.deliver(published),
    () => followers.fanOut.gap(),
  );
  const completion = withTimerBatches(createBatchCompletion({ ...stores, events, now }), { ...stores, queue });
  const waitsForAnother = (job: Job): Promise<boolean> => waitsForAnotherRun(job, stores);
  const refill = sharing?.startRefill({ completion, waitsForAnother });
  if (refill !== undefined) pauseBoard.onChange(() => refill.wake());
  const app = createApp({
    stores,
    bus: { queue, outbox },
    indexer,
    completion,
    events,
    pauseBoard,
    followers,
    timers: { registration: timers.registration, wakeScheduler },
    webhooks: { post: postWebhook, allowLoopback: allowLoopbackWebhooks },
    clock,
    ids,
    release: { isPending: isReleasePending },
    pools,
    identify,
    authFacts: { kind: "none" },
    silentAfterMs: SILENT_AFTER_MS,
    defaultRetention: retentionOf({ rowDays: 90, logDays: 30, fileDays: 90, deadLetterDays: 30 }),
    followLogEveryMs: FOLLOW_LOG_EVERY_MS,
    programs,
    readiness,
    metrics,
    metricsText,
    unreadable,
    traffic: { requestsPerMinute: REQUESTS_PER_MINUTE_MAX, allowedOrigins: [], proxyHops: 0, ...traffic },
    web,
    log,
  });
  const server = createHttpServer(app, httpLimits);
  const connectionsByPort = watchConnections(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  const url = `http://127.0.0.1:${address.port}`;

  const contract = createContract((await (await fetch(`${url}/openapi.json`)).json()) as ContractDocument);

  async function request(path: string, init?: RequestInit): Promise<Answer> {
    const response = await fetch(`${url}${path}`, init);
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString();
    // As it was sent: `fetch` resolves dots.
    const { pathname } = new URL(path, url);
    const { status, headers } = response;
    contract.check(init?.method ?? "GET", pathname, { status, headers, text, byteCount: bytes.byteLength });
    const isJson = response.headers.get("content-type")?.includes("application/json") ?? false;
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : text) as AnswerBody,
    };
  }

  return {
    ...kept,
    stores: kept,
    url,
    programs,
    get followerCount() {
      return followers.connections.count;
    },
    connectionsByPort,
    contract,
    get: (path) => request(path),
    delete: (path) => request(path, { method: "DELETE" }),
    post: (path, body, headers = { "content-type": "application/json" }) =>
      request(path, {
        method: "POST",
        ...(body !== undefined && { headers, body: typeof body === "string" ? body : JSON.stringify(body) }),
      }),
    put: (path, body) =>
      request(path, {
        method: "PUT",
        ...(body instanceof Uint8Array
          ? { headers: { "content-type": "application/zip" }, body: Buffer.from(body) }
          : body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      }),
    async [Symbol.asyncDispose]() {
      await refill?.stop();
      pauseBoard.stop();
      await outbox.close();
      await indexer.close();
      followers.connections.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await publisher?.close();
      await source?.close();
    },
  };
}
