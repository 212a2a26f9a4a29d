/**
 * A whole system for one run: the web API over HTTP and workers in this process, each behind the fault plan, over
 * services that are given. Everything it started has ended when it is disposed of.
 */
import { silentEvents, silentLog, silentUnreadable, silentMetrics } from "../silent.ts";
import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import type { PackageStore } from "../../../runtime/core/ports/package-store.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import { createShare } from "../../../runtime/core/job/priority.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { waitsForAnotherRun } from "../../../runtime/timers/run/next-run.ts";
import { createTimerRuns, withTimerBatches } from "../../../runtime/timers/run/timer-runs.ts";
import { sweepBatches, type SweepBatchesDeps } from "../../../runtime/sweeper/sweep-batches.ts";
import type { PackageCache } from "../../../runtime/worker/package-cache/package-cache.ts";
import type { JobProcesses } from "../../../runtime/worker/process/job-processes.ts";
import { createWorkspaces } from "../../../runtime/worker/process/files/workspace.ts";
import { type Worker, startWorker } from "../../../runtime/worker/worker.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { type Answer, startFaultApi } from "./fault-api.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { faultyQueue } from "./faulty-queue.ts";
import { faultyStores, type Stores } from "./faulty-stores.ts";
import { createRunRecord, type RunRecord } from "./run-record.ts";
import type { ScriptSettings } from "./scripted-jobs.ts";
import { systemClock } from "../../../runtime/core/clock.ts";

/** What a lab is built on. */
export interface Services extends AsyncDisposable {
  readonly lockMs: number;
  /** The worker pool of this run alone. */
  readonly pool: string;
  readonly tenantName: string;
  /** Clients of one process. */
  stores(process: string): Stores;
  /** A client; closing it ends no other. */
  queue(): JobQueue;
  /** Looks at the queues from beside. */
  readonly observer: JobQueue;
  cache(store: PackageStore, directory: string): Pick<PackageCache, "acquire">;
  /** Runs the jobs of a worker. */
  processes(
    directory: string,
    story: Pick<ScriptSettings, "mended" | "released">,
  ): Promise<Pick<JobProcesses, "start" | "close">>;
}

export interface LabWorker {
  drain(drainMs: number): Promise<void>;
  /** Its network is gone for good; it goes on by itself. */
  cutOff(): void;
  /** As kill -9 does: nothing of it gets through or runs any more. Its directory stays. */
  die(): Promise<void>;
}

export interface FaultLab extends AsyncDisposable {
  readonly record: RunRecord;
  readonly services: Services;
  /** Ids the API has answered with. */
  readonly accepted: Set<string>;
  /** As clients do: again after 503, until there is another answer. */
  readonly post: (path: string, body?: unknown) => Promise<Answer>;
  startWorker(name: string, options?: { readonly slots?: number; readonly after?: string }): Promise<LabWorker>;
  /** From now on jobs of type Mendable succeed. */
  mend(): void;
  /** From now on jobs that wait for ever end. */
  release(): void;
  /**
   * Rings for jobs whose submit got no answer, as one round of the sweeper does at a time when all it waits for has passed; and
   * lets them end.
   */
  sweepOrphans(): Promise<void>;
  /** Resolves when no call to a service is under way, however late it lands. */
  settled(): Promise<void>;
  /** Sends what the API still keeps, and ends it. Idempotent. */
  stopApi(): Promise<void>;
  /** Ends workers and API; resolves to what they left behind. */
  stop(): Promise<readonly string[]>;
}

const POST_TRIES = 40;
const POST_AGAIN_MS = 50;

export async function createFaultLab(services: Services, plan: FaultPlan): Promise<FaultLab> {
  const { lockMs, pool } = services;
  const record = createRunRecord();
  const directory = await temporaryDirectory();
  const accepted = new Set<string>();
  const workers = new Map<string, { readonly node: Worker; readonly end: () => Promise<void> }>();
  const queues: JobQueue[] = [];
  const pids: (() => number | undefined)[] = [];
  const released = Promise.withResolvers<undefined>();
  let mended = false;
  const now = (): Date => new Date();

  const portsOf = (name: string) => {
    const call = plan.callsOf(name);
    const inner = services.queue();
    queues.push(inner);
    const stores = faultyStores(record.stores(name, services.stores(name)), call);
    return { ...stores, queue: faultyQueue(inner, call, { lockMs, isSevered: () => plan.isSevered(name) }) };
  };

  const api = startFaultApi(portsOf("api"), pool);
  const sweeper = portsOf("sweeper");

  async function launch(name: string, folder: string, slots: number): Promise<LabWorker> {
    const ports = portsOf(name);
    const home = join(directory.path, folder);
    const processes = await services.processes(home, { mended: () => mended, released: released.promise });
    const completion = createBatchCompletion({ ...ports, events: silentEvents, now });
    const timerRuns = createTimerRuns({ ...ports, completion, events: silentEvents, pool, now });
    const node = await startWorker({
      ...ports,
      events: silentEvents,
      ...timerRuns,
      packages: services.cache(ports.packages, join(home, "packages")),
      workspaces: createWorkspaces({ root: join(home, "attempts") }),
      processes: record.processes(processes),
      tokens: { open: () => () => Promise.resolve({ refused: "No scenario asks for tokens." }) },
      settings: { of: () => Promise.reject(new Error("No package of a scenario has settings.")) },
      share: createShare(),
      pool,
      slots,
      version: "test",
      directory: home,
      workerId: folder,
      bootId: randomUUID(),
      newId: randomUUID,
      now: systemClock.now,
      monotonicNow: () => performance.now(),
      random: Math.random,
      lockMs,
      unreadable: silentUnreadable,
      metrics: silentMetrics,
      onDrainWanted: () => undefined,
      onGiveUp: () => undefined,
      log: silentLog,
    });
    workers.set(name, { node, end: () => processes.close() });
    return {
      drain: (drainMs) => node.drain(drainMs),
      cutOff: () => plan.sever(name),
      async die() {
        plan.sever(name);
        await processes.close();
      },
    };
  }

  return {
    record,
    services,
    accepted,
    async post(path, body = {}) {
      for (let tries = 1; ; tries++) {
        const answer = await api.post(path, body);
        if (answer.status !== 503) return answer;
        if (tries === POST_TRIES) throw new Error(`${path} still answers ${JSON.stringify(answer.body)}.`);
        await new Promise((resolve) => setTimeout(resolve, POST_AGAIN_MS));
      }
    },
    startWorker: (name, { slots = 1, after = name } = {}) => launch(name, after, slots),
    mend: () => {
      mended = true;
    },
    release: () => released.resolve(undefined),
    async sweepOrphans() {
      const isOrphan = (id: string): boolean => !accepted.has(id) && !isTerminal(record.job(id).state);
      if (!record.jobIds.some(isOrphan)) return;
      released.resolve(undefined);
      const later = (): Date => new Date(Date.now() + 5 * 60_000);
      const batches = ownBatches(sweeper.batches, record);
      const ofBatches = createBatchCompletion({ ...sweeper, batches, events: silentEvents, now: later });
      const completion = withTimerBatches(ofBatches, sweeper);
      const told = { events: silentEvents, unreadable: silentUnreadable, log: silentLog };
      const deps: SweepBatchesDeps = {
        ...sweeper,
        ...told,
        batches,
        completion,
        waitsForAnother: (job) => waitsForAnotherRun(job, sweeper),
        announce: () => Promise.resolve(),
        now: later,
        lockMs,
        marginMs: lockMs / 4,
      };
      await sweepBatches(deps, { thorough: true });
    },
    settled: () => plan.settled(),
    stopApi: () => api.close(),
    async stop() {
      await Promise.all([...workers.values()].map(({ node }) => node.drain(0)));
      await Promise.all([...workers.values()].map(({ end }) => end()));
      await api.close();
      await plan.settled();
      pids.push(...record.executions.map(({ pid }) => pid));
      return [...leftProcesses(pids), ...(await leftWorkspaces(directory.path))];
    },
    async [Symbol.asyncDispose]() {
      api[Symbol.dispose]();
      await Promise.all(queues.map((queue) => queue.close()));
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** The store may hold batches of others, for whom it is not later. */
const ownBatches = (batches: BatchStore, { batchIds }: RunRecord): BatchStore => ({
  ...batches,
  async *active(onUnreadable) {
    for await (const batch of batches.active(onUnreadable)) if (batchIds.includes(batch.value.batchId)) yield batch;
  },
});

function leftProcesses(pids: readonly (() => number | undefined)[]): string[] {
  const isThere = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  return pids.flatMap((pidOf) => {
    const pid = pidOf();
    return pid !== undefined && isThere(pid) ? [`process ${pid} still runs`] : [];
  });
}

async function leftWorkspaces(root: string): Promise<string[]> {
  const folders = await readdir(root);
  const left = await Promise.all(folders.map((folder) => readdir(join(root, folder, "attempts")).catch(() => [])));
  return left.flat().map((name) => `workspace ${name} is left`);
}
