/** The worker process. */
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectScaleSet } from "../azure/index.ts";
import { parseWorkerMachineSettings } from "../core/settings/machine-settings.ts";
import { createBatchCompletion } from "../lifecycle/batch-completion.ts";
import { startPauseBoard } from "../lifecycle/pause-board.ts";
import { createJobEvents } from "../lifecycle/job-events.ts";
import { createJobIndexer, indexedJobs, WORKER_LINGER_MS } from "../lifecycle/job-indexer.ts";
import { measureConflicts } from "../lifecycle/measured-jobs.ts";
import { createShare } from "../core/job/priority.ts";
import { parseWorkerSettings, type WorkerSettings } from "../core/settings/worker-settings.ts";
import { createUnreadable } from "../core/unreadable.ts";
import { WorkerFault } from "../worker/attempt/machine-fault.ts";
import { createPackageCache } from "../worker/package-cache/package-cache.ts";
import { currentPlatform } from "../worker/package-cache/unpack.ts";
import { hostFile } from "../worker/process/module/host-bundle.ts";
import { ownFolder } from "../platform/own-folder.ts";
import { findJobUsers, type JobUserChoice } from "../worker/process/os/job-user.ts";
import { createJobProcesses, type JobProcessesConfig } from "../worker/process/job-processes.ts";
import { createWorkspaces } from "../worker/process/files/workspace.ts";
import { createLimits } from "../lifecycle/limits/limits.ts";
import { limitsFrom } from "../worker/package-cache/declared-limits.ts";
import { createTimerRuns } from "../timers/run/timer-runs.ts";
import { openMachine } from "../worker/machine/machine.ts";
import { createJobSettings } from "../worker/settings/job-settings.ts";
import { createTokenBroker } from "../worker/identity/token-broker.ts";
import { startWorker } from "../worker/worker.ts";
import { connect, connectReleases } from "./connect.ts";
import { jobCredential } from "./job-credential.ts";
import { observe } from "./observe.ts";
import { endInTurn, type Exits, ownerPatience, runService, type Service } from "./service-process.ts";
import { systemClock } from "../core/clock.ts";

/** Children kept ready. More would only use memory, because a machine starts only a few at a time. */
const SPARES_MAX = 4;
/** In the worker's own folder, new with every start. */
const METRICS_TOKEN_FILE = "metrics-token";
const PATH = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";

async function start(exits: Exits): Promise<Service> {
  const settings = parseWorkerSettings(process.env);
  const machineSettings = parseWorkerMachineSettings(process.env);
  const { logLevel: level, version, workerId: instance, pool } = settings;
  const { log, metrics, metricsText } = await observe(
    { service: "jobyard-worker", level, version, instance, pool },
    exits,
  );
  // First of all, because the cleanup below ends everything that runs in it.
  const owned = await ownFolder({ ...ownerPatience, directory: settings.directory });
  let ending = false;
  /** Stops as on a signal, but never a second time, which would cut short the running stop. */
  const end = (): void => {
    if (!ending) process.kill(process.pid, "SIGTERM");
    ending = true;
  };
  const { now, monotonicNow } = systemClock;
  const unreadable = createUnreadable({ monotonicNow, log });
  const machine = await openMachine({
    ...settings,
    unreadable,
    settings: machineSettings,
    metrics: { text: metricsText, token: await newMetricsToken(settings.directory) },
    connectReleases,
    connectScaleSet: (scaleSet) => connectScaleSet(scaleSet, { monotonicNow, log }),
    path: PATH,
    end,
    now,
    monotonicNow,
    random: Math.random,
    log,
  });
  const connected = await connect(settings.connection, {
    writerId: settings.workerId,
    packageAnswerMs: settings.packageAnswerMs,
  });
  const rows = measureConflicts(connected.jobs, metrics);
  const indexer = createJobIndexer({
    index: connected.index,
    jobs: rows,
    lingerMs: WORKER_LINGER_MS,
    monotonicNow,
    log,
  });
  const jobs = indexedJobs(rows, indexer);
  const { batches, timers, lines, queue, packages, files, workers, eventPublisher } = connected;

  const publisher = eventPublisher(metrics, log);
  const events = createJobEvents({ publisher, level: settings.events, metrics, now, log });
  const users = settings.jobUser === undefined ? undefined : await findJobUsers(settings.jobUser);
  const workspaces = createWorkspaces({ root: join(settings.directory, "attempts") });
  const hostEntry = await hostFile(settings.directory);
  const processes = createJobProcesses({
    ...processConfig(settings, hostEntry, users),
    onStarted: (ms) => metrics.processStart.record(ms / 1_000, { pool }),
    onUserClosed(why) {
      log.error({ why }, "a job cannot be ended");
      machine.reportDefect();
    },
  });
  const cache = createPackageCache({
    store: packages,
    directory: join(settings.directory, "packages"),
    platform: currentPlatform(),
    answerForMs: settings.packageAnswerMs,
    monotonicNow,
    onLease: (outcome) => metrics.packageLookups.add(1, { pool, outcome }),
  });
  // In this order, because processes left by a crashed worker may still use its files.
  await processes.sweep();
  await workspaces.sweep();

  const settingsOfJobs = createJobSettings({ ...connected, monotonicNow });
  const completion = createBatchCompletion({ batches, jobs, events, now });
  // Runs of timers. A fork without timers gives the worker `completion` alone.
  const timerRuns = createTimerRuns({ jobs, batches, timers, queue, completion, events, pool, now });
  const pauses = startPauseBoard({ ...connected, unreadable, log });
  await pauses.ready;
  // Limits by key and quotas. A fork without limits leaves them out.
  const limits = createLimits({
    ...{ jobs, lines, queue, pool, waiting: connected.waiting, lockMs: settings.lockMs, limitsOf: limitsFrom(cache) },
    runningLimitOf: (tenantName) => pauses.current().runningLimitOf(tenantName),
  });
  const worker = await startWorker({
    jobs,
    pauses,
    waiting: connected.waiting,
    limits,
    queue,
    files,
    workers,
    ...timerRuns,
    events,
    packages: cache,
    workspaces,
    processes,
    settings: settingsOfJobs,
    tokens: createTokenBroker({
      credential: jobCredential(settings.jobIdentity, now),
      grants: connected.identityGrants,
      pool,
      monotonicNow,
    }),
    share: createShare(settings.weights),
    pool,
    slots: settings.slots,
    version: settings.version,
    directory: settings.directory,
    workerId: settings.workerId,
    bootId: randomUUID(),
    newId: randomUUID,
    now,
    monotonicNow,
    random: Math.random,
    lockMs: settings.lockMs,
    permit: machine.permit,
    isProtected: machine.isProtected,
    unreadable,
    metrics,
    onDrainWanted: end,
    onGiveUp: (reason) => {
      log.error({ reason }, "giving up; the supervisor restarts this worker");
      exits.giveUp();
    },
    log,
  });
  machine.attach(worker);
  log.info({ slots: settings.slots, healthPort: machine.healthPort }, "receiving");
  return {
    async onFault(error) {
      ending = true;
      log.error({ err: error, running: worker.runningCount }, "uncaught error; handing back all jobs and exiting");
      await worker.drain(0, new WorkerFault(error));
      await indexer.close();
      await processes.close();
      await publisher.close();
    },
    ready: {
      pool,
      slots: settings.slots,
      ...(machine.healthPort !== undefined && { healthPort: machine.healthPort }),
    },
    async stop() {
      ending = true;
      log.info({ running: worker.runningCount }, "draining");
      await worker.drain(settings.drainMs);
      pauses.stop();
      await endInTurn(log, {
        machine: () => machine.stop(),
        index: () => indexer.close(),
        processes: () => processes.close(),
        events: () => publisher.close(),
        queue: () => queue.close(),
      });
      owned.release();
    },
  };
}

const processConfig = (
  { directory, slots, jobUser, inspect }: WorkerSettings,
  hostEntry: string,
  users: JobUserChoice | undefined,
): JobProcessesConfig => ({
  root: directory,
  hostEntry,
  users,
  inspect,
  spares: sparesOf(slots, jobUser, users),
  environment: {
    PATH,
    LANG: process.env["LANG"],
    TZ: process.env["TZ"],
  },
});

/** For who may read the worker's own folder: whoever scrapes, and no job. */
async function newMetricsToken(directory: string): Promise<string> {
  const token = randomUUID();
  const path = join(directory, METRICS_TOKEN_FILE);
  await rm(path, { force: true });
  await writeFile(path, token, { mode: 0o600, flag: "wx" });
  return token;
}

/** A spare needs a user too. Throws Error if there are fewer users than slots. */
function sparesOf(slots: number, jobUser: string | undefined, choice: JobUserChoice | undefined): number {
  const wanted = Math.min(slots, SPARES_MAX);
  if (choice?.exclusive !== true) return wanted;
  const { length } = choice.users;
  if (length < slots)
    throw new Error(`${slots} slots need as many users, but only ${length} users match ${jobUser ?? ""}.`);
  return Math.min(wanted, length - slots);
}

await runService(start);
