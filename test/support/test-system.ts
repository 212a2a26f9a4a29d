/**
 * A whole system for one test file: the run's storage or other stores, a Service Bus of its own, the API,
 * and workers in this process that run jobs in real child processes.
 */
import { createUnreadable } from "../../runtime/core/unreadable.ts";
import { randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectScaleSet, connectServiceBus, createJobQueue } from "../../runtime/azure/index.ts";
import type { Job } from "../../runtime/core/job/job.ts";
import type { EventLevel } from "../../runtime/core/job/events.ts";
import type { Logger } from "../../runtime/core/logger.ts";
import type { JobQueue } from "../../runtime/core/ports/job-queue.ts";
import type { ReleaseReader } from "../../runtime/core/ports/release-reader.ts";
import { createShare } from "../../runtime/core/job/priority.ts";
import { inject } from "vitest";
import { SETTING } from "../../runtime/core/settings/names.ts";
import { PACKAGE_ANSWER_FOR_MS, SETTINGS_ANSWER_FOR_MS } from "../../runtime/core/limits.ts";
import { isTerminal } from "../../runtime/core/job/states.ts";
import { busTopology, DEFAULT_POOL } from "../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../runtime/local/bus/index.ts";
import { createBatchCompletion } from "../../runtime/lifecycle/batch-completion.ts";
import { createJobIndexer, indexedJobs } from "../../runtime/lifecycle/job-indexer.ts";
import { startPauseBoard } from "../../runtime/lifecycle/pause-board.ts";
import { createLimits } from "../../runtime/lifecycle/limits/limits.ts";
import { limitsFrom } from "../../runtime/worker/package-cache/declared-limits.ts";
import { createTimerRuns } from "../../runtime/timers/run/timer-runs.ts";
import { createPackageCache } from "../../runtime/worker/package-cache/package-cache.ts";
import { currentPlatform } from "../../runtime/worker/package-cache/unpack.ts";
import { bundleHost } from "../../runtime/worker/process/module/host-bundle.ts";
import { createJobProcesses } from "../../runtime/worker/process/job-processes.ts";
import { createTokenBroker } from "../../runtime/worker/identity/token-broker.ts";
import type { JobCredential } from "../../runtime/core/ports/job-credential.ts";
import { createJobSettings } from "../../runtime/worker/settings/job-settings.ts";
import { createWorkspaces } from "../../runtime/worker/process/files/workspace.ts";
import { openMachine, type MachineDeps } from "../../runtime/worker/machine/machine.ts";
import { type Worker, startWorker } from "../../runtime/worker/worker.ts";
import type { Metrics } from "../../runtime/telemetry/metrics.ts";
import { silentLog, silentMetrics } from "./silent.ts";
import { temporaryDirectory } from "./temporary-directory.ts";
import { publishTo } from "./events/test-events.ts";
import { startTestApi, type TestApi, type TestApiOptions } from "./api/test-api.ts";
import { createAzureStores } from "./stores/azure-stores.ts";
import type { OwnAccount } from "./stores/azurite.ts";
import type { Stores } from "./stores/memory-stores.ts";
import { ownStorage, testStorage } from "./stores/test-storage.ts";
import { systemClock } from "../../runtime/core/clock.ts";

export interface WorkerOptions {
  readonly slots?: number;
  readonly lockMs?: number;
  /** The worker's own folder, left as it is at the end. Default: a fresh one. */
  readonly directory?: string;
  /** Names its journal in the folder. Default: a fresh one. */
  readonly bootId?: string;
  /** Where its jobs get tokens from. Default: nowhere. */
  readonly credential?: JobCredential;
  /** The machine it runs on. Default: none that matters. */
  readonly machine?: TestMachine;
  readonly log?: Logger;
  /** Put around its queue. */
  readonly wrapQueue?: (inner: JobQueue) => JobQueue;
  /** How long a change waits for others before it is noted in the index. Default: INDEX_LINGER_MS. */
  readonly indexLingerMs?: number;
  /** Clock of its package cache. Default: one by which no answer serves a second attempt. */
  readonly packageClock?: () => number;
  /** Where its events go. Default: the system's own. */
  readonly eventBus?: LocalServiceBus;
  /** Default: the system's own. */
  readonly metrics?: Metrics;
}

export interface TestMachine extends Pick<MachineDeps, "pace"> {
  readonly settings?: Partial<MachineDeps["settings"]>;
  /** Followed by the worker, which runs version "test". */
  readonly releases?: ReleaseReader;
}

export interface TestWorker extends Pick<Worker, "runningCount" | "drain">, AsyncDisposable {
  readonly workerId: string;
  /** Resolves when it wants to end, to be started anew. */
  readonly ended: Promise<void>;
  readonly healthPort: number | undefined;
  /** Notes in the index what it would note later. */
  flushIndex(): Promise<void>;
}

export interface TestSystem extends AsyncDisposable {
  readonly api: TestApi;
  readonly bus: LocalServiceBus;
  /** For programs over the same storage and bus, by their variables. */
  readonly connections: Readonly<Record<string, string>>;
  readonly lockMs: number;
  queue(): JobQueue;
  /** Another API over the same storage and bus; ends with the system. */
  anotherApi(options?: TestApiOptions): Promise<TestApi>;
  publish(tenantName: string, fileName: string, zip: Uint8Array): Promise<void>;
  startWorker(options?: WorkerOptions): Promise<TestWorker>;
  /** Submits one job of a test package; resolves to its id. */
  submit(tenantName: string, jobType: string, fields?: Record<string, unknown>): Promise<string>;
  /** Resolves to the job as soon as the condition holds; default: it has ended. */
  until(jobId: string, condition?: (job: Job) => boolean): Promise<Job>;
}

/** A clock for caches by which no answer serves a second attempt: test stores replace packages at once. */
function askAlways(keptForMs: number): () => number {
  let time = 0;
  return () => (time += keptForMs);
}

const WAIT_MS = 100_000;
const POLL_MS = 20;
/** Workers read cancels this often. */
const HEARTBEAT_MS = 500;
const INDEX_LINGER_MS = 200;
/** As in production: more children at a time only keep a machine busy. */
const SPARES_MAX = 4;

/**
 * No job of a busy machine is taken over under it: bus and workers may share a process, so after a pause of that process a
 * lock's end and its renewal are due together. A test of what follows a lock's end names a shorter one.
 */
const CALM_LOCK_MS = 60_000;

export interface TestSystemOptions {
  /** Events that API and workers publish. Default: all. */
  readonly events?: EventLevel;
  readonly lockMs?: number;
  /** Asked once for the API and once for each worker. Default: clients of their own of the run's Azurite. */
  readonly stores?: () => Stores;
  /** Their account there, for a system whose API also runs as a program. Default: the one of all tests. */
  readonly account?: OwnAccount;
  /** Puts something between the bus and its clients; resolves to what they connect to. Called before `stores`. */
  readonly beforeBus?: (connectionString: string) => Promise<string>;
  /** The API parks jobs and refills queues, as in production. Default: every bell is sent at once. */
  readonly shares?: boolean;
  /** What API and workers record. Default: nothing. */
  readonly metrics?: Metrics;
  /** Clock of the API's caches. Default: this process's. */
  readonly apiClock?: () => number;
}

/** Bundled once in a process: nothing else runs in it meanwhile, and locks are not renewed. */
let host: Promise<Buffer> | undefined;

async function hostIn(directory: string): Promise<string> {
  host ??= bundleHost(directory).then((file) => readFile(file));
  const file = join(directory, "host.cjs");
  const half = `${file}.${randomUUID()}`;
  await writeFile(half, await host);
  await rename(half, file);
  return file;
}

export async function startTestSystem({
  lockMs = CALM_LOCK_MS,
  events: eventLevel = "all",
  account,
  stores: given,
  beforeBus = (connectionString) => Promise.resolve(connectionString),
  shares = false,
  metrics: systemMetrics = silentMetrics,
  apiClock: monotonicNow = systemClock.monotonicNow,
}: TestSystemOptions = {}): Promise<TestSystem> {
  const ownConnection = account && (await ownStorage(account));
  const connect = given ?? (() => createAzureStores(undefined, testStorage(ownConnection)));
  const topology = busTopology([DEFAULT_POOL], { lockMs });
  const started = await startLocalServiceBus({ port: 0, adminPort: 0, topology });
  const bus = { ...started, connectionString: await beforeBus(started.connectionString) };
  const queues: JobQueue[] = [];
  const queue = (): JobQueue => {
    const created = createJobQueue({
      bus: connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString }),
    });
    queues.push(created);
    return created;
  };
  const stores = connect();
  const api = await startTestApi(queue(), {
    bus,
    stores,
    shares,
    events: eventLevel,
    metrics: systemMetrics,
    monotonicNow,
  });
  const others: TestApi[] = [];
  const launched = new Set<TestWorker>();

  async function startOne(options: WorkerOptions = {}): Promise<TestWorker> {
    const {
      slots = 1,
      machine: ground = {},
      log = silentLog,
      metrics = systemMetrics,
      wrapQueue = (inner: JobQueue) => inner,
      indexLingerMs: lingerMs = INDEX_LINGER_MS,
    } = options;
    const ended = Promise.withResolvers<undefined>();
    const directory =
      options.directory === undefined
        ? await temporaryDirectory()
        : { path: options.directory, [Symbol.asyncDispose]: () => Promise.resolve() };
    const { jobs: rows, index, batches, timers, lines, files, workers, packages, ...given } = connect();
    const indexer = createJobIndexer({ index, jobs: rows, lingerMs, ...systemClock, log });
    const jobs = indexedJobs(rows, indexer);
    const workerId = `w-${randomUUID().slice(0, 8)}`;
    const ownQueue = wrapQueue(queue());
    const processes = createJobProcesses({
      root: directory.path,
      hostEntry: await hostIn(directory.path),
      spares: Math.min(slots, SPARES_MAX),
      environment: { PATH: process.env["PATH"] ?? "" },
      onStarted: (ms) => metrics.processStart.record(ms / 1_000, { pool: DEFAULT_POOL }),
    });
    const publisher = publishTo(options.eventBus ?? bus, eventLevel, metrics);
    const { events } = publisher;
    const clocks = { ...systemClock, random: Math.random };
    const unreadable = createUnreadable({ monotonicNow: clocks.monotonicNow, log });
    const { releases, settings, ...pace } = ground;
    const machine = await openMachine({
      ...clocks,
      ...pace,
      settings: {
        scaleSet: undefined,
        healthPort: undefined,
        releasePollMs: 20,
        releasePatienceMs: 0,
        watchdog: undefined,
        ...settings,
        releases: releases && { kind: "connection-string", storage: "the test's" },
      },
      connectReleases: () => (releases ? Promise.resolve(releases) : Promise.reject(new Error("No releases."))),
      connectScaleSet: (scaleSet) => connectScaleSet(scaleSet, { ...clocks, log }),
      version: "test",
      slots,
      lockMs: options.lockMs ?? lockMs,
      drainMs: 0,
      path: process.env["PATH"] ?? "",
      unreadable,
      end: () => ended.resolve(undefined),
      log,
    });
    const now = (): Date => new Date();
    const completion = createBatchCompletion({ batches, jobs, events, now });
    const forTimers = { jobs, batches, timers, queue: ownQueue, completion, events, pool: DEFAULT_POOL, now };
    const timerRuns = createTimerRuns(forTimers);
    const pauses = startPauseBoard({ pauses: given.pauses, unreadable, log });
    await pauses.ready;
    const cache = createPackageCache({
      store: packages,
      directory: join(directory.path, "packages"),
      platform: currentPlatform(),
      monotonicNow: options.packageClock ?? askAlways(PACKAGE_ANSWER_FOR_MS),
      onLease: (outcome) => metrics.packageLookups.add(1, { pool: DEFAULT_POOL, outcome }),
    });
    const limitsOf = limitsFrom(cache);
    const worker = await startWorker({
      jobs,
      pauses,
      waiting: given.waiting,
      queue: ownQueue,
      files,
      workers,
      ...timerRuns,
      limits: createLimits({
        ...{ jobs, lines, queue: ownQueue, waiting: given.waiting, pool: DEFAULT_POOL, limitsOf, lockMs },
        runningLimitOf: (tenantName) => pauses.current().runningLimitOf(tenantName),
      }),
      events,
      packages: cache,
      workspaces: createWorkspaces({ root: join(directory.path, "attempts") }),
      processes,
      tokens: createTokenBroker({
        ...{ credential: options.credential, grants: given.identityGrants, pool: DEFAULT_POOL },
        monotonicNow: clocks.monotonicNow,
      }),
      settings: createJobSettings({ ...given, monotonicNow: askAlways(SETTINGS_ANSWER_FOR_MS) }),
      share: createShare(),
      pool: DEFAULT_POOL,
      slots,
      version: "test",
      directory: directory.path,
      workerId,
      bootId: options.bootId ?? randomUUID(),
      newId: randomUUID,
      ...clocks,
      permit: machine.permit,
      isProtected: machine.isProtected,
      unreadable,
      metrics,
      heartbeatMs: HEARTBEAT_MS,
      lockMs: options.lockMs ?? lockMs,
      onDrainWanted: () => void worker.drain(0),
      onGiveUp: (reason) => {
        throw new Error(reason);
      },
      log,
    });
    machine.attach(worker);
    return {
      workerId,
      ended: ended.promise,
      healthPort: machine.healthPort,
      get runningCount() {
        return worker.runningCount;
      },
      drain: (ms) => worker.drain(ms),
      flushIndex: () => indexer.flush(),
      async [Symbol.asyncDispose]() {
        await worker.drain(0);
        pauses.stop();
        await machine.stop();
        await processes.close();
        await publisher.close();
        await ownQueue.close();
        await indexer.close();
        await directory[Symbol.asyncDispose]();
      },
    };
  }

  async function launchWorker(options?: WorkerOptions): Promise<TestWorker> {
    const worker = await startOne(options);
    launched.add(worker);
    return {
      ...worker,
      get runningCount() {
        return worker.runningCount;
      },
      async [Symbol.asyncDispose]() {
        if (launched.delete(worker)) await worker[Symbol.asyncDispose]();
      },
    };
  }

  return {
    api,
    bus,
    connections: {
      [SETTING.storageConnectionString]: ownConnection ?? inject("storageConnectionString"),
      [SETTING.serviceBusConnectionString]: bus.connectionString,
    },
    lockMs,
    queue,
    async anotherApi(options) {
      const other = await startTestApi(queue(), { bus, stores, events: eventLevel, monotonicNow, ...options });
      others.push(other);
      return other;
    },
    async publish(tenantName, fileName, zip) {
      await stores.packages.upload(tenantName, fileName, zip);
    },
    startWorker: launchWorker,
    async submit(tenantName, jobType, fields = {}) {
      const jobProcessorPackageName = "test.zip";
      const request = { tenantName, jobType, jobName: jobType, jobProcessorPackageName, ...fields };
      const { status, body } = await api.post("/v1/jobs", request);
      if (status !== 201) throw new Error(`Submit answered ${status}: ${JSON.stringify(body)}`);
      return body.jobId;
    },
    async until(jobId, condition = (job) => isTerminal(job.state)) {
      const end = performance.now() + WAIT_MS;
      for (;;) {
        const job = (await api.jobs.get(jobId))?.value;
        if (job !== undefined && condition(job)) return job;
        if (performance.now() > end) throw new Error(`Job ${jobId} is still ${JSON.stringify(job, null, 1)}.`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    async [Symbol.asyncDispose]() {
      // A worker that went on would be one of every other test's pool.
      await Promise.all([...launched].map((worker) => worker[Symbol.asyncDispose]()));
      await Promise.all([api, ...others].map((one) => one[Symbol.asyncDispose]()));
      await Promise.all(queues.map((one) => one.close()));
      await bus.close();
    },
  };
}
