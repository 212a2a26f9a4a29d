/** The API process. */
import { randomBytes, randomUUID } from "node:crypto";
import type { RequestListener, Server } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { createApp } from "../api/app.ts";
import { createConnections } from "../api/events/connections.ts";
import { createFanOut } from "../api/events/fan-out.ts";
import { createTickets } from "../api/events/tickets.ts";
import { createHttpServer } from "../api/http/http-server.ts";
import { keepPublishing, openRelease } from "../api/publish-release.ts";
import { createReadiness } from "../api/readiness.ts";
import { createBellOutbox } from "../api/submit/bell-outbox.ts";
import { createAnnounce } from "../api/webhooks/announce.ts";
import { createDeliverer } from "../api/webhooks/deliver.ts";
import { startWebhookDuty } from "../api/webhooks/duty.ts";
import { createPost } from "../api/webhooks/post.ts";
import { resolveByDns } from "../api/webhooks/receiver-address.ts";
import { messageOf } from "../core/errors.ts";
import type { PublishedEvent } from "../core/job/events.ts";
import { createIdSource, defaultBatchId } from "../core/job/ids.ts";
import { isLoopback, localOnly, pagesOf } from "../core/loopback.ts";
import { lockMarginMs, WEBHOOK_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { EventSource } from "../core/ports/event-channel.ts";
import { createServiceClock } from "../core/clock.ts";
import { parseApiSettings, type ApiSettings } from "../core/settings/api-settings.ts";
import { SettingsError } from "../core/settings/environment.ts";
import { SETTING } from "../core/settings/names.ts";
import { DEFAULT_PRIORITY } from "../core/job/priority.ts";
import { DEFAULT_POOL, jobQueueName } from "../core/deployment/topology.ts";
import { RELEASES } from "../core/deployment/storage-layout.ts";
import { createUnreadable } from "../core/unreadable.ts";
import { createBatchCompletion } from "../lifecycle/batch-completion.ts";
import { createJobEvents } from "../lifecycle/job-events.ts";
import { withTimerBatches } from "../timers/run/timer-runs.ts";
import { startScheduler } from "../timers/schedule/scheduler.ts";
import { startSweeper } from "../sweeper/sweeper.ts";
import { composeAuth, composeTimers } from "./compose-api.ts";
import { connect, createLogger } from "./connect.ts";
import { runService, type Service } from "./service-process.ts";

/** Beside the program, in a release. */
const RELEASED_PACKAGES = join(import.meta.dirname, RELEASES.packagesFolder);
/** Time for running requests to end when the process stops. */
const CLOSE_AFTER_MS = 10_000;

async function start(): Promise<Service> {
  const settings = parseApiSettings(process.env);
  if (settings.auth.kind === "none" && !isLoopback(settings.host)) {
    throw new SettingsError(
      `${SETTING.apiHost} is ${settings.host}, but without authentication the API accepts only loopback addresses. Use 127.0.0.1.`,
    );
  }
  const log = createLogger("api", settings.logLevel);
  const now = (): Date => new Date();
  const monotonicNow = (): number => performance.now();
  const clock = createServiceClock({ now, monotonicNow });
  const connected = await connect(settings.connection, { writerId: settings.instanceId, onServiceTime: clock.hear });
  const { jobs, batches, keys, workers, queue, files, packages, timers, lease, tenants: tenantStore } = connected;
  const { webhooks, deliveries } = connected;
  const outbox = createBellOutbox({ queue, log });
  const ids = createIdSource({ now: Date.now, random32: () => randomBytes(4).readUInt32BE() });

  const { pools, traffic, lockMs } = settings;
  const { identify, facts: authFacts, tenants } = await composeAuth({ ...settings, tenants: tenantStore, log });
  // These tasks may find nothing to do.
  const askStorage = (): Promise<unknown> => batches.get(defaultBatchId("none", 0));
  const { trustedNow } = clock;
  const unreadable = createUnreadable({ monotonicNow, log });
  const isReady = createReadiness({
    checks: {
      storage: askStorage,
      broker: () =>
        queue.peek(jobQueueName(pools[0] ?? DEFAULT_POOL, DEFAULT_PRIORITY), { deadLetter: false, maxCount: 1 }),
      // Uses only a recent response, because a monotonic clock can stand still while a machine sleeps.
      clock: () => askStorage().then(trustedNow),
    },
    monotonicNow,
    log,
  });
  const publisher = connected.eventPublisher(log);
  const events = createJobEvents({ publisher, level: settings.events, now, log });
  const fanOut = createFanOut({ monotonicNow });
  const connections = createConnections({ monotonicNow, maxPerCaller: settings.followersPerCaller });
  const tickets = createTickets({ key: connected.sharedSecret("event-tickets"), now });
  const { allowLoopbackWebhooks } = settings;
  const postWebhook = createPost({
    resolve: resolveByDns,
    allowLoopback: allowLoopbackWebhooks,
    timeoutMs: WEBHOOK_TIMEOUT_MS,
  });
  const announce = createAnnounce({ batches, webhooks, deliveries, now, log });
  const tickSender = connected.tickSender();
  const { tickHorizonMs: horizonMs } = settings;
  const scheduler = startScheduler({
    ...{ timers, sender: tickSender, horizonMs, now: trustedNow, random: Math.random, log },
  });
  const wakeScheduler = (): void => scheduler.wake();
  const { timerRegistration, timerReconcile } = composeTimers({
    ...{ connected, settings, outbox, events, tenants, now, trustedNow, log },
    onChange: wakeScheduler,
  });
  const { packagesTenant: tenantName } = settings;
  const release =
    tenantName === undefined
      ? undefined
      : await openRelease({ packages, tenants, timerRegistration, directory: RELEASED_PACKAGES, tenantName, now, log });
  const completion = withTimerBatches(createBatchCompletion({ batches, jobs, events, now }), { jobs, timers, queue });
  const app = createApp({
    isReleasePending: (tenant, packageName) => release?.isPending(tenant, packageName) ?? false,
    ...{ webhooks, deliveries, postWebhook, allowLoopbackWebhooks },
    timerRegistration,
    ...{ events, fanOut, connections, tickets },
    ...{ completion, jobs, batches, keys, workers, files, queue, packages, tenants, timers, outbox },
    ...{ ids, now, trustedNow, monotonicNow, pools, identify, authFacts, isReady, unreadable, traffic, log },
    wakeScheduler,
    silentAfterMs: lockMs + lockMarginMs(lockMs),
  });
  const server = createHttpServer(listenerOf(app, settings));
  const port = await listen(server, settings.port, settings.host);
  // A new subscription at every start. Older events are not needed, because their clients are not connected here.
  const source = connected.eventSource(subscriptionName(settings.instanceId), unreadable.note, log);
  const webhookDuty = startWebhookDuty({
    lease: lease("webhooks"),
    announce,
    deliverer: createDeliverer({ webhooks, deliveries, post: postWebhook, unreadable, now, random: Math.random, log }),
    log,
  });
  const onEvent = (published: PublishedEvent): void => {
    fanOut.deliver(published);
    webhookDuty.hear(published);
  };
  const hearing = hear(source, onEvent, () => fanOut.gap(), log);
  const stopSweeper = startSweeper({
    jobs,
    queue,
    workers,
    keys,
    batches,
    completion,
    events,
    announce,
    reconcileTimers: (isLeader) => timerReconcile.run(isLeader),
    lease: lease("sweeper"),
    lockMs: settings.lockMs,
    marginMs: lockMarginMs(settings.lockMs),
    // With a clock that is far ahead, every worker would look silent.
    now: trustedNow,
    unreadable,
    log,
  });
  const stopping = new AbortController();
  const publishing = release && keepPublishing({ release, pause, log }, stopping.signal);
  log.info({ host: settings.host, port }, "listening");
  return {
    ready: { port },
    async stop() {
      stopping.abort();
      hearing.stop();
      const delivering = webhookDuty.stop();
      // Otherwise the server would wait for clients that follow events.
      connections.close();
      await close(server);
      const scheduled = scheduler.stop();
      await publishing;
      await stopSweeper();
      await delivering;
      await outbox.close();
      // Closing can hang when the broker is down, so it has a time limit.
      const farewell = new AbortController();
      const said = Promise.all([
        publisher.close(),
        source.close(),
        scheduled.then(() => tickSender.close()),
        queue.close(),
      ]);
      await Promise.race([said, pause(CLOSE_AFTER_MS, farewell.signal)]);
      farewell.abort();
    },
  };
}

/**
 * On loopback, only callers of this machine. Behind a proxy on the same machine the API receives the proxy's public Host,
 * which the proxy checks. Without authentication this exception does not exist, and changes are checked by page origin.
 */
function listenerOf(app: RequestListener, { host, auth, traffic }: ApiSettings): RequestListener {
  if (auth.kind === "none") return localOnly(app, { changes: pagesOf(traffic.allowedOrigins) });
  return isLoopback(host) && traffic.proxyHops === 0 ? localOnly(app, { changes: "by-proof" }) : app;
}

/** Ends early without an error when the signal is aborted. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  wait(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });

/** A subscription's name has at most 50 characters. */
const subscriptionName = (instanceId: string): string => `${instanceId.slice(0, 32)}-${randomUUID().slice(0, 8)}`;

const HEAR_RETRY_MS = 5_000;

/**
 * Starts to receive events, and retries until it succeeds. Without events the API still accepts jobs and reports their
 * states.
 */
function hear(
  source: EventSource,
  onEvent: (published: PublishedEvent) => void,
  onGap: () => void,
  log: Logger,
): { stop(): void } {
  const stopped = new AbortController();
  const begin = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await source.listen(onEvent, onGap);
        // Clients may already be connected. They have missed all events until now.
        onGap();
        return;
      } catch (error) {
        log.warn({ error: messageOf(error) }, "cannot receive events; retrying");
        await pause(HEAR_RETRY_MS, stopped.signal);
      }
    }
  };
  void begin();
  return { stop: () => stopped.abort() };
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Waits for running requests to end, with a time limit. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_AFTER_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

await runService(start);
