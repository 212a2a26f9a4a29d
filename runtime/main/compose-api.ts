/** Composes the larger parts of an API process from its settings and stores: authentication, timers, webhooks, readiness. */
import { readFile } from "node:fs/promises";
import { type Identify, LOCAL_CALLER, identifyAs } from "../api/auth/caller.ts";
import { createGrantsCache } from "../api/auth/grants-cache.ts";
import { createIdentify } from "../api/auth/identify.ts";
import { createSigningKeys, httpsJson } from "../api/auth/signing-keys.ts";
import { createTokenVerifier } from "../api/auth/token-verifier.ts";
import { keepVerified } from "../api/auth/verified-tokens.ts";
import { createReadiness, type Readiness } from "../api/readiness.ts";
import type { ApiClock } from "../api/routes/routes.ts";
import type { BellOutbox } from "../api/submit/bell-outbox.ts";
import { createRingWindow } from "../api/submit/ring-window.ts";
import { type Announce, createAnnounce } from "../api/webhooks/announce.ts";
import { type AnnounceFailures, createAnnounceFailures } from "../api/webhooks/announce-failures.ts";
import { type NoteFull, createAnnounceFull, createNoteFull } from "../api/webhooks/announce-full.ts";
import { createAnnounceMissed } from "../api/webhooks/announce-missed.ts";
import { createDeliverer } from "../api/webhooks/deliver.ts";
import { WEBHOOK_LEASE_MS, type WebhookDuty, startWebhookDuty } from "../api/webhooks/duty.ts";
import { type Post, createPost } from "../api/webhooks/post.ts";
import { resolveByDns } from "../api/webhooks/receiver-address.ts";
import { DEFAULT_POOL, jobQueueName } from "../core/deployment/topology.ts";
import { type AuthFacts, type AuthSettings, authFacts, issuerOf, metadataUrlOf } from "../core/http/auth-facts.ts";
import { defaultBatchId } from "../core/job/ids.ts";
import { DEFAULT_PRIORITY } from "../core/job/priority.ts";
import { WEBHOOK_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import type { TimerSubscriptions } from "../core/ports/timer-topic.ts";
import type { Unreadable } from "../core/unreadable.ts";
import type { JobEvents } from "../lifecycle/job-events.ts";
import type { PauseBoard } from "../lifecycle/pause-board.ts";
import { createQueueLoads } from "../lifecycle/queue-loads.ts";
import { REFILL_LEASE_MS, type RefillDuty, startRefillDuty } from "../sweeper/refill-duty.ts";
import { type RefillDeps, createRefill } from "../sweeper/refill.ts";
import { type TimerReconcile, createTimerReconcile } from "../timers/register/reconcile.ts";
import { type TimerRegistration, createTimerRegistration } from "../timers/register/registration.ts";
import { createVersionRuns } from "../timers/register/version-runs.ts";
import type { Services } from "./connect.ts";
import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";

// --- Authentication --------------------------------------------------------------------------------------------------

export interface Auth {
  readonly identify: Identify;
  /** The response of `GET /v1/auth`. */
  readonly facts: AuthFacts;
  /** Tenants and grants. The API notices at once what is written through it. */
  readonly tenants: TenantStore;
}

export interface AuthDeps {
  readonly auth: AuthSettings;
  readonly tenants: TenantStore;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** The issuer's answers are a few kilobytes and come within a second. Callers wait for them. */
const ISSUER_TIMEOUT_MS = 5_000;
const ISSUER_ANSWER_MAX_BYTES = 1024 * 1024;

export async function composeAuth({ auth, tenants, now, monotonicNow, log }: AuthDeps): Promise<Auth> {
  const facts = authFacts(auth);
  if (auth.kind === "none") return { identify: identifyAs(LOCAL_CALLER), facts, tenants };

  const ca = auth.caFile === undefined ? undefined : await readFile(auth.caFile, "utf8");
  const keys = createSigningKeys({
    metadataUrl: metadataUrlOf(auth),
    issuer: issuerOf(auth),
    fetchJson: (url) => httpsJson(url, { ca, timeoutMs: ISSUER_TIMEOUT_MS, maxBytes: ISSUER_ANSWER_MAX_BYTES }),
    monotonicNow,
    log,
  });
  const grants = createGrantsCache({ store: tenants, monotonicNow });
  const verify = keepVerified(createTokenVerifier({ settings: auth, keys }), { now, monotonicNow });
  return { identify: createIdentify({ verify, grants }), facts, tenants: grants.store };
}

// --- Timers ----------------------------------------------------------------------------------------------------------

export interface TimersDeps {
  readonly stores: Pick<Services, "jobs" | "batches" | "packages" | "tenants" | "timers">;
  /** Undefined: the deployment makes them. */
  readonly subscriptions: TimerSubscriptions | undefined;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
  /** Called after timers were registered. */
  readonly onChange: () => void;
  readonly clock: Pick<ApiClock, "now" | "trustedNow">;
  readonly log: Logger;
}

export interface Timers {
  readonly registration: TimerRegistration;
  readonly reconcile: TimerReconcile;
}

export function composeTimers(deps: TimersDeps): Timers {
  const { stores, subscriptions, pools, outbox, events, onChange, clock, log } = deps;
  const runForVersion = createVersionRuns({ ...stores, outbox, events, now: clock.now });
  const registration = createTimerRegistration({
    ...stores,
    subscriptions,
    pools,
    runForVersion,
    onChange,
    now: clock.trustedNow,
    log,
  });
  const reconcile = createTimerReconcile({ ...stores, subscriptions, pools, registration, log });
  return { registration, reconcile };
}

// --- Shares of the queues --------------------------------------------------------------------------------------------

export interface SharesDeps {
  readonly services: Pick<Services, "jobs" | "batches" | "queue" | "waiting" | "workers" | "tenants" | "lease">;
  readonly pauseBoard: PauseBoard;
  /** A worker whose last heartbeat is older takes no jobs. */
  readonly silentAfterMs: number;
  readonly unreadable: Unreadable;
  readonly clock: ApiClock;
  readonly log: Logger;
}

export interface Shares {
  /** An outbox that parks the jobs of those who are paused, or have their share of a queue. */
  windowOver(outbox: BellOutbox): BellOutbox;
  /** Rings for parked jobs, in one instance at a time. */
  startRefill(deps: Pick<RefillDeps, "completion" | "waitsForAnother" | "placeUnique">): RefillDuty;
}

export function composeShares({ services, pauseBoard, silentAfterMs, unreadable, clock, log }: SharesDeps): Shares {
  const { jobs, batches, queue, waiting, workers, tenants, lease } = services;
  const { now, trustedNow, monotonicNow } = clock;
  const loads = createQueueLoads({ queue, workers, tenants, silentAfterMs, now: trustedNow, monotonicNow });
  const shared = { jobs, batches, queue, waiting, pauses: pauseBoard, loads, monotonicNow };
  let duty: RefillDuty | undefined;
  return {
    windowOver: (outbox) => createRingWindow({ ...shared, outbox, onParked: () => duty?.wake(), now, log }),
    startRefill(given) {
      const refill = createRefill({ ...shared, ...given, unreadable });
      return (duty = startRefillDuty({
        refill,
        lease: lease("refill", REFILL_LEASE_MS, "harmless"),
        monotonicNow,
        log,
      }));
    },
  };
}

// --- Webhooks --------------------------------------------------------------------------------------------------------

export interface WebhooksDeps {
  readonly services: Pick<
    Services,
    "batches" | "jobs" | "index" | "timers" | "quotas" | "webhooks" | "deliveries" | "lease"
  >;
  readonly allowLoopback: boolean;
  readonly unreadable: Unreadable;
  readonly metrics: Pick<Metrics, "webhookDeliveries">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export interface Webhooks {
  readonly post: Post;
  readonly announce: Announce;
  readonly announceFailures: AnnounceFailures;
  /** Missed ticks, and full quotas. */
  readonly announceOthers: () => Promise<void>;
  readonly noteFull: NoteFull;
  /** Starts this process's part in the election of the one that delivers. */
  startDuty(): WebhookDuty;
}

export function composeWebhooks({ services, allowLoopback, unreadable, metrics, now, log }: WebhooksDeps): Webhooks {
  const { lease } = services;
  const post = createPost({ resolve: resolveByDns, allowLoopback, timeoutMs: WEBHOOK_TIMEOUT_MS });
  const announceDeps = { ...services, unreadable, now, log };
  const announce = createAnnounce(announceDeps);
  const announceFailures = createAnnounceFailures(announceDeps);
  const announceMissed = createAnnounceMissed(announceDeps);
  const announceFull = createAnnounceFull(announceDeps);
  const deliverer = createDeliverer({ ...services, post, unreadable, metrics, now, random: Math.random, log });
  return {
    post,
    announce,
    announceFailures,
    async announceOthers() {
      await announceMissed();
      await announceFull.all();
    },
    noteFull: createNoteFull({ ...announceDeps, announceFull }),
    startDuty: () =>
      startWebhookDuty({
        lease: lease("webhooks", WEBHOOK_LEASE_MS),
        ...{ announce, announceFailures, deliverer, log },
      }),
  };
}

// --- Readiness -------------------------------------------------------------------------------------------------------

export interface ComposeReadinessDeps {
  readonly services: Pick<Services, "batches" | "queue">;
  readonly pools: readonly string[];
  readonly clock: Pick<ApiClock, "now" | "trustedNow" | "monotonicNow">;
  readonly log: Logger;
}

export function composeReadiness({ services, pools, clock, log }: ComposeReadinessDeps): Readiness {
  const { batches, queue } = services;
  const queueName = jobQueueName(pools[0] ?? DEFAULT_POOL, DEFAULT_PRIORITY);
  // Neither has to find anything.
  const readStorage = (): Promise<unknown> => batches.get(defaultBatchId("none", 0));
  const readBroker = (): Promise<unknown> => queue.peek(queueName, { deadLetter: false, maxCount: 1 });
  return createReadiness({
    checks: {
      storage: readStorage,
      broker: readBroker,
      // By a fresh answer: while a machine sleeps, the clock that never jumps may stand still.
      clock: () => readStorage().then(clock.trustedNow),
    },
    now: clock.now,
    monotonicNow: clock.monotonicNow,
    log,
  });
}
