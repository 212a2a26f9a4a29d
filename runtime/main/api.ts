/** The API process: connects to storage and broker, serves HTTP, and does its part of the background duties. */
import { randomBytes, randomUUID } from "node:crypto";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { ACTION_LEASE_MS, startActionDuty } from "../api/actions/action-duty.ts";
import { createActionStep } from "../api/actions/run-step.ts";
import { createApp } from "../api/app.ts";
import { erasing } from "../api/erase/begin-erasure.ts";
import { createEraseStep } from "../api/erase/erase-step.ts";
import { createConnections } from "../api/events/connections.ts";
import { createFanOut } from "../api/events/fan-out.ts";
import { subscribeToEvents } from "../api/events/subscribe.ts";
import { createTickets } from "../api/events/tickets.ts";
import { closeServer, createHttpServer, listen } from "../api/http/http-server.ts";
import { readWebFiles } from "../api/http/web-pages.ts";
import { keepPublishing, openRelease } from "../api/publish-release.ts";
import { createFindJobs } from "../api/find/find-jobs.ts";
import { createSettingCommands } from "../api/setting-commands.ts";
import { createBellOutbox } from "../api/submit/bell-outbox.ts";
import { systemClock } from "../core/clock.ts";
import { sleep } from "../core/sleep.ts";
import { createServiceClock } from "../core/service-clock.ts";
import { RELEASES } from "../core/deployment/storage-layout.ts";
import { createIdSource } from "../core/job/ids.ts";
import { lockMarginMs } from "../core/limits.ts";
import { isLoopback, localOnly, pagesOf } from "../core/loopback.ts";
import { type ApiSettings, parseApiSettings } from "../core/settings/api-settings.ts";
import { SettingsError } from "../core/settings/environment.ts";
import { SETTING } from "../core/settings/names.ts";
import type { Job } from "../core/job/job.ts";
import type { Stored } from "../core/ports/stored.ts";
import { createUnreadable } from "../core/unreadable.ts";
import { createBatchCompletion } from "../lifecycle/batch-completion.ts";
import { createJobEvents } from "../lifecycle/job-events.ts";
import { createJobIndexer, indexedJobs } from "../lifecycle/job-indexer.ts";
import { startPauseBoard } from "../lifecycle/pause-board.ts";
import { measureConflicts } from "../lifecycle/measured-jobs.ts";
import { createUniqueJobs } from "../lifecycle/unique-jobs.ts";
import { programsOfSupervisor } from "../platform/supervised-programs.ts";
import { createAuditSweep } from "../sweeper/sweep-audit.ts";
import { createForgetSweep } from "../sweeper/forget/forget-sweep.ts";
import { startQuotaWatch } from "../lifecycle/limits/quota-watch.ts";
import { createBehindFront, createWake } from "../lifecycle/limits/wake-line.ts";
import { createLineSweep } from "../sweeper/sweep-lines.ts";
import { createUniqueKeySweep } from "../sweeper/sweep-unique-keys.ts";
import { createStoredBytesSweep } from "../sweeper/sweep-stored-bytes.ts";
import { createNoteRepairs } from "../sweeper/note-repairs.ts";
import { SWEEPER_LEASE_MS, startSweeper } from "../sweeper/sweeper.ts";
import { startScheduler } from "../timers/schedule/scheduler.ts";
import { composeAuth, composeReadiness, composeShares, composeTimers, composeWebhooks } from "./compose-api.ts";
import { connect } from "./connect.ts";
import { observe } from "./observe.ts";
import { endInTurn, type Exits, type Service, runService } from "./service-process.ts";
import { waitsForAnotherRun } from "../timers/run/next-run.ts";
import { withTimerBatches } from "../timers/run/timer-runs.ts";

/** Beside the program, in a release. */
const RELEASED_PACKAGES = join(import.meta.dirname, RELEASES.packagesFolder);
const RELEASED_WEB = join(import.meta.dirname, RELEASES.webFolder);
/** Time that requests under way get when the process stops, and then the connections to the broker. */
const CLOSE_AFTER_MS = 10_000;

async function start(exits: Exits): Promise<Service> {
  const settings = readSettings();
  const programs = programsOfSupervisor(process);
  const { pools, traffic, lockMs, allowLoopbackWebhooks: allowLoopback } = settings;
  const { logLevel: level, version, instanceId: instance } = settings;
  const { log, metrics, metricsText } = await observe({ service: "jobyard-api", level, version, instance }, exits);

  // Clocks, ids, storage, broker.
  const { now, monotonicNow } = systemClock;
  const serviceClock = createServiceClock(systemClock);
  const clock = { now, trustedNow: serviceClock.trustedNow, monotonicNow };
  const ids = createIdSource({ now, random32: () => randomBytes(4).readUInt32BE() });
  const unreadable = createUnreadable({ monotonicNow, log });
  const services = await connect(settings.connection, {
    writerId: settings.instanceId,
    packageAnswerMs: settings.packageAnswerMs,
    onServiceTime: serviceClock.hear,
  });
  const { queue, lease } = services;
  const silentAfterMs = lockMs + lockMarginMs(lockMs);
  const pauseBoard = startPauseBoard({ ...services, unreadable, log });
  const shares = composeShares({ services, pauseBoard, silentAfterMs, unreadable, clock, log });
  const outbox = shares.windowOver(createBellOutbox({ queue, log }));
  metrics.ringerBacklog.watch(() => [{ value: outbox.waitingCount, attributes: {} }]);
  const publisher = services.eventPublisher(metrics, log);
  const events = createJobEvents({ publisher, level: settings.events, metrics, now, log });

  // What the app is made of.
  const auth = await composeAuth({ auth: settings.auth, tenants: services.tenants, now, monotonicNow, log });
  const rows = measureConflicts(services.jobs, metrics);
  const indexer = createJobIndexer({ index: services.index, jobs: rows, lingerMs: 0, monotonicNow, log });
  const stores = { ...services, tenants: auth.tenants, jobs: indexedJobs(rows, indexer) };
  const fanOut = createFanOut({ monotonicNow, metrics });
  const connections = createConnections({ monotonicNow, maxPerCaller: settings.followersPerCaller });
  metrics.apiFollowers.watch(() => [{ value: connections.count, attributes: {} }]);
  const tickets = createTickets({ key: services.sharedSecret("event-tickets"), now });
  const webhooks = composeWebhooks({ services, allowLoopback, unreadable, metrics, now, log });
  const tickSender = services.tickSender();
  const scheduler = startScheduler({
    timers: stores.timers,
    sender: tickSender,
    horizonMs: settings.tickHorizonMs,
    now: clock.trustedNow,
    random: Math.random,
    log,
  });
  const wakeScheduler = (): void => scheduler.wake();
  const subscriptions = settings.timerRegistration ? services.timerSubscriptions() : undefined;
  const timers = composeTimers({ stores, subscriptions, pools, outbox, events, onChange: wakeScheduler, clock, log });
  const release =
    settings.packagesTenant === undefined
      ? undefined
      : await openRelease({
          packages: stores.packages,
          tenants: stores.tenants,
          timerRegistration: timers.registration,
          directory: RELEASED_PACKAGES,
          tenantName: settings.packagesTenant,
          now,
          log,
        });

  const { jobs, batches, keys, workers } = stores;
  const completion = withTimerBatches(createBatchCompletion({ jobs, batches, events, now }), {
    jobs,
    timers: stores.timers,
    queue,
  });
  const app = createApp({
    stores,
    bus: { queue, outbox },
    completion,
    indexer,
    events,
    pauseBoard,
    followers: { fanOut, connections, tickets },
    timers: { registration: timers.registration, wakeScheduler },
    webhooks: { post: webhooks.post, noteFull: webhooks.noteFull, allowLoopback },
    clock,
    ids,
    release,
    identify: auth.identify,
    authFacts: auth.facts,
    readiness: composeReadiness({ services, pools, clock, log }),
    metrics,
    metricsText,
    unreadable,
    traffic,
    web: await readWebFiles(settings.webDirectory ?? RELEASED_WEB),
    pools,
    silentAfterMs,
    defaultRetention: settings.retention,
    programs,
    log,
  });
  const server = createHttpServer(localListener(app, settings));
  const port = await listen(server, settings.port, settings.host);

  // Background duties of this process.
  const webhookDuty = webhooks.startDuty();
  const source = services.eventSource(subscriptionName(settings.instanceId), unreadable.note, log);
  const stopSubscribing = subscribeToEvents({
    source,
    onEvent(published) {
      fanOut.deliver(published);
      webhookDuty.onEvent(published);
    },
    onGap: () => fanOut.gap(),
    log,
  });
  const runningLimitOf = (tenantName: string): number | undefined => pauseBoard.current().runningLimitOf(tenantName);
  const isBehindFront = createBehindFront({ ...stores, runningLimitOf, monotonicNow });
  const placeLeft = createWake({ ...stores, queue, runningLimitOf });
  const waitsForAnother = async (job: Job): Promise<boolean> =>
    (await waitsForAnotherRun(job, stores)) || (await isBehindFront(job));
  const unique = createUniqueJobs({ ...stores, completion, events, sleep, now });
  const placeUnique = (stored: Stored<Job>): Promise<boolean> => unique.place(stored);
  const refillDuty = shares.startRefill({ completion, waitsForAnother, placeUnique });
  pauseBoard.onChange(() => refillDuty.wake());
  const quotaWatch = startQuotaWatch({ ...stores, board: pauseBoard, log });
  const stopSweeper = startSweeper({
    jobs,
    index: services.index,
    batches,
    keys,
    workers,
    queue,
    completion,
    events,
    announce: webhooks.announce,
    announceFailures: webhooks.announceFailures,
    announceOthers: webhooks.announceOthers,
    waiting: services.waiting,
    placeLeft,
    waitsForAnother,
    pools,
    placeUnique,
    lineSweep: createLineSweep({ ...stores, unreadable, now: clock.trustedNow }),
    uniqueKeySweep: createUniqueKeySweep({ ...stores, now: clock.trustedNow }),
    countStored: createStoredBytesSweep({ ...services, now: clock.trustedNow }),
    auditSweep: createAuditSweep({ audit: stores.audit, days: settings.auditDays, now: clock.trustedNow }),
    forget: createForgetSweep({
      ...services,
      removeIndexRows: (gone) => services.index.remove(gone),
      defaultRetention: settings.retention,
      unreadable,
      now: clock.trustedNow,
      log,
    }),
    reconcileTimers: (isLeader) => timers.reconcile.run(isLeader),
    noteSwept: () => stores.sweepNotes.write({ sweptAt: clock.trustedNow(), sweptBy: instance }),
    noteRepairs: createNoteRepairs({
      ...{ audit: stores.audit, instance: settings.instanceId, newEntryId: randomUUID, now: clock.trustedNow, log },
    }),
    lease: lease("sweeper", SWEEPER_LEASE_MS, "harmless"),
    lockMs,
    marginMs: lockMarginMs(lockMs),
    // By a clock that is far ahead, every worker is silent.
    now: clock.trustedNow,
    unreadable,
    metrics,
    log,
  });
  const forActions = { ...stores, completion, outbox, events, pauseBoard, placeLeft, placeUnique, now, log };
  const actionDuty = startActionDuty({
    lease: lease("actions", ACTION_LEASE_MS),
    works: [
      {
        name: "actionId",
        running: () => stores.actions.running(),
        runStep: createActionStep({ ...forActions, findJobs: createFindJobs({ ...stores, indexer, now }) }),
      },
      {
        name: "erasedTenant",
        running: () => Promise.resolve(erasing(pauseBoard)),
        runStep: createEraseStep({
          ...forActions,
          settingCommands: createSettingCommands({ ...stores, now, log }),
          timerRegistration: timers.registration,
        }),
      },
    ],
    log,
  });
  const stopping = new AbortController();
  const publishing = release && keepPublishing({ release, sleep, log }, stopping.signal);
  log.info({ host: settings.host, port }, "listening");

  return {
    ready: { port },
    // It holds nothing that others wait for. The last words say what happened.
    onFault: () => Promise.resolve(),
    async stop() {
      stopping.abort();
      stopSubscribing();
      const delivering = webhookDuty.stop();
      const acting = actionDuty.stop();
      // Clients that follow events keep their connections; the server would wait for them.
      connections.close();
      await closeServer(server, CLOSE_AFTER_MS);
      const scheduled = scheduler.stop();
      pauseBoard.stop();
      quotaWatch.stop();
      await endInTurn(log, {
        releases: () => publishing,
        sweeper: () => stopSweeper(),
        refill: () => refillDuty.stop(),
        webhooks: () => delivering,
        actions: () => acting,
        outbox: () => outbox.close(),
        index: () => indexer.close(),
        ticks: () => scheduled.then(() => tickSender.close()),
        events: () => Promise.all([publisher.close(), source.close()]),
        queue: () => queue.close(),
      });
    },
  };
}

/** Throws SettingsError. */
function readSettings(): ApiSettings {
  const settings = parseApiSettings(process.env);
  if (settings.auth.kind === "none" && !isLoopback(settings.host)) {
    throw new SettingsError(
      `${SETTING.apiHost} is ${settings.host}, but without authentication the API accepts only loopback addresses. Use 127.0.0.1.`,
    );
  }
  return settings;
}

/**
 * On a loopback address the app serves callers of this machine only. Behind a proxy of the same machine, requests name the
 * proxy's public host, and the proxy judges it. Without authentication there is no such exception, and a request that
 * changes something is judged by the page it comes from.
 */
function localListener(app: RequestListener, { host, auth, traffic }: ApiSettings): RequestListener {
  if (auth.kind === "none") return localOnly(app, { changes: pagesOf(traffic.allowedOrigins) });
  return isLoopback(host) && traffic.proxyHops === 0 ? localOnly(app, { changes: "by-proof" }) : app;
}

/** A new one at every start: nobody needs the events of the time before. A name has 50 characters at most. */
const subscriptionName = (instanceId: string): string => `${instanceId.slice(0, 32)}-${randomUUID().slice(0, 8)}`;

await runService(start);
