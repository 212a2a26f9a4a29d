/** Reads a running system of timers with its own code: rows, counts, subscriptions, dead letters. */
import { randomUUID } from "node:crypto";
import { ServiceBusClient } from "@azure/service-bus";
import {
  connectServiceBus,
  connectServiceBusAdmin,
  connectStorage,
  createBatchStore,
  createJobQueue,
  createJobStore,
  createTimerStore,
  createTimerSubscriptions,
} from "../../../runtime/azure/index.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import { PAGE_SIZE_MAX } from "../../../runtime/core/limits.ts";
import type { BatchStore } from "../../../runtime/core/ports/batch-store.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { DEFAULT_PRIORITY } from "../../../runtime/core/job/priority.ts";
import { openOf } from "../../../runtime/core/job/states.ts";
import { LISTENER_PROPERTY } from "../../../runtime/core/timer/tick.ts";
import { batchIdOf, listenerOf, newTimerRun, subscriptionNameOf } from "../../../runtime/core/timer/timer.ts";
import { parseTimerTrigger } from "../../../runtime/core/timer/trigger.ts";
import { DEFAULT_POOL, jobQueueName, TIMERS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import type { Stack } from "../../../runtime/local/stack.ts";
import type { RunFacts } from "../engine/run-facts.ts";
import { dueTicks, type TimerFacts, type WatchedJob, type WatchedTimer } from "./facts.ts";
import { PACKAGE_NAME, type PlannedTimer, TENANT } from "./workload.ts";

export interface Observed extends Pick<TimerFacts, "timers" | "subscriptions"> {
  readonly deadLetters: readonly string[];
  /** Of all jobs and batches, for the rules that apply to every job. */
  readonly rows: Pick<RunFacts, "found" | "counts">;
}

export interface Observer extends AsyncDisposable {
  /** Due ticks that their timers have not recorded yet. */
  openTicks(endAt: number): Promise<number>;
  openJobs(): Promise<number>;
  /** Sends unreadable messages to a timer's subscription and to the queue of its pool. Resolves to their ids. */
  poison(timer: PlannedTimer): Promise<readonly string[]>;
  look(): Promise<Observed>;
}

const QUEUE = jobQueueName(DEFAULT_POOL, DEFAULT_PRIORITY);
const DEAD_LETTERS_MAX = 250;

const nameOf = ({ name }: PlannedTimer) => ({ tenantName: TENANT, packageName: PACKAGE_NAME, timerName: name });

export async function createObserver(stack: Stack, planned: readonly PlannedTimer[]): Promise<Observer> {
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  const connection = {
    kind: "connection-string",
    serviceBus: stack.serviceBusConnectionString,
    serviceBusAdmin: stack.serviceBusAdminConnectionString,
  } as const;
  const raw = new ServiceBusClient(stack.serviceBusConnectionString);
  const queue = createJobQueue({ bus: connectServiceBus(connection) });
  const subscriptions = createTimerSubscriptions({ admin: connectServiceBusAdmin(connection) });
  const jobs = createJobStore({ storage, writerId: "chaos" });
  const batches = createBatchStore({ storage });
  const timers = createTimerStore({ storage });

  const registered = await Promise.all(
    planned.map(async (plan) => {
      const stored = await timers.get(nameOf(plan));
      if (stored === undefined) throw new Error(`Timer ${plan.name} was not registered.`);
      return { plan, batchId: batchIdOf(stored.value), activeFrom: stored.value.activeFrom.getTime() };
    }),
  );
  const runOf = async (batchId: string) => (await timers.run(batchId))?.value ?? newTimerRun(batchId);
  const batchesOf = async (): Promise<readonly Batch[]> => {
    const rows = await Promise.all(registered.map(({ batchId }) => batches.get(batchId)));
    return rows.flatMap((row) => (row === undefined ? [] : [row.value]));
  };

  return {
    async openTicks(endAt) {
      const counts = await Promise.all(
        registered.map(async ({ plan, batchId, activeFrom }) => {
          const { coveredUpTo, overtakenTicks } = await runOf(batchId);
          const after = Math.max(activeFrom, coveredUpTo?.getTime() ?? 0);
          const overtaken = overtakenTicks.filter((tick) => tick.getTime() <= endAt);
          return dueTicks(plan, after, endAt).length + overtaken.length;
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },

    async openJobs() {
      const counts = await Promise.all((await batchesOf()).map((batch) => jobs.counts(batch)));
      return counts.reduce((sum, count) => sum + openOf(count), 0);
    },

    async poison(timer) {
      const body = { version: 1, kind: "tick", tenantName: "No tenant", scheduledAt: "soon" };
      const messages = [randomUUID(), randomUUID()].map((messageId) => ({ body, messageId }));
      const [toTimer, toQueue] = messages;
      const applicationProperties = { [LISTENER_PROPERTY]: listenerOf(nameOf(timer)) };
      await raw.createSender(TIMERS_TOPIC).sendMessages({ ...toTimer!, applicationProperties });
      await raw.createSender(QUEUE).sendMessages(toQueue!);
      return messages.map(({ messageId }) => messageId);
    },

    async look() {
      const watched: WatchedTimer[] = [];
      const found = new Map<string, { state: string; etag: string }>();
      for (const { plan, batchId, activeFrom } of registered) {
        const run = await runOf(batchId);
        const all = await jobsOf(batchId, batches, jobs);
        for (const { jobId } of all) {
          const row = await jobs.get(jobId);
          if (row !== undefined) found.set(jobId, { state: row.value.state, etag: row.etag });
        }
        watched.push({
          ...{ name: plan.name, periodMs: plan.periodMs, overlap: plan.overlap, misfire: plan.misfire },
          ...{ hangs: plan.hangs, activeFrom, jobs: all.map(watchedJob) },
          run: {
            coveredUpTo: run.coveredUpTo?.getTime(),
            overtakenTicks: run.overtakenTicks.map((tick) => tick.getTime()),
            ...{ missedCount: run.missedCount, skippedCount: run.skippedCount, fence: run.fence },
            waitingJobIds: run.waitingJobIds,
          },
        });
      }
      const counts = new Map<string, Readonly<Record<string, number>>>();
      for (const batch of await batchesOf()) counts.set(batch.batchId, await jobs.counts(batch));
      const letters = await queue.peek(QUEUE, { deadLetter: true, maxCount: DEAD_LETTERS_MAX });
      return {
        timers: watched,
        subscriptions: {
          wanted: planned.map((plan) => subscriptionNameOf(nameOf(plan))),
          found: (await subscriptions.list()).map(({ name }) => name),
        },
        deadLetters: letters.map(({ messageId }) => messageId),
        rows: { found, counts },
      };
    },

    async [Symbol.asyncDispose]() {
      await Promise.all([raw.close(), queue.close()]);
    },
  };
}

async function jobsOf(batchId: string, batches: BatchStore, jobs: JobStore): Promise<readonly Job[]> {
  const batch = (await batches.get(batchId))?.value;
  if (batch === undefined) return [];
  const all: Job[] = [];
  let continuationToken: string | undefined;
  do {
    const page = await jobs.list(batch, { pageSize: PAGE_SIZE_MAX, continuationToken });
    all.push(...page.items);
    ({ continuationToken } = page);
  } while (continuationToken !== undefined);
  return all;
}

function watchedJob({ jobId, parameters, state, failure, executions, interruptions }: Job): WatchedJob {
  const trigger = parseTimerTrigger(parameters);
  return {
    ...{ jobId, state, executions, interruptions },
    trigger: trigger?.trigger,
    scheduledAt: trigger?.scheduledAt.getTime() ?? 0,
    failureCode: failure?.code,
  };
}
