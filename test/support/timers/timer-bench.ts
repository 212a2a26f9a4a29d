/** Timers of a test system: registered by hand, their ticks sent by hand. */
import { randomUUID } from "node:crypto";
import { connectServiceBus, createTickSender, createTimerStore } from "../../../runtime/azure/index.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import { LISTENER_PROPERTY, outgoingTick } from "../../../runtime/core/timer/tick.ts";
import {
  batchIdOf,
  listenerOf,
  newTimerRun,
  scheduleHashOf,
  subscriptionNameOf,
  tickJobId,
  type Timer,
  type TimerRun,
} from "../../../runtime/core/timer/timer.ts";
import { jobQueueName, TIMERS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { outgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import { newTimerJob, wakeTimerBatch } from "../../../runtime/timers/run/timer-jobs.ts";
import { timerOf } from "../builders.ts";
import { connectAdmin } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { testStorage } from "../stores/test-storage.ts";
import type { TestSystem } from "../test-system.ts";

export interface TimerBench extends AsyncDisposable {
  readonly timers: TimerStore;
  /** The row and the subscription. */
  register(fields: Partial<Timer>): Promise<BenchTimer>;
}

export interface BenchTimer {
  readonly timer: Timer;
  /** As a scheduler does; `again`: under another name, so that the broker lets it through. Resolves to the run's id. */
  tick(at: Date, options?: { readonly again?: boolean }): Promise<string>;
  /** A message for this timer that no worker can read. */
  poison(): Promise<void>;
  /** Inserts a run that is no tick, and rings for it. */
  runNow(): Promise<string>;
  run(): Promise<TimerRun>;
  job(jobId: string): Promise<Job | undefined>;
  change(fields: Partial<Timer>): Promise<void>;
}

export function createTimerBench(system: TestSystem): TimerBench {
  const timers = createTimerStore({ storage: testStorage() });
  const bus = connectServiceBus({ kind: "connection-string", serviceBus: system.bus.connectionString });
  const raw = connectServiceBus({ kind: "connection-string", serviceBus: system.bus.connectionString });
  const sender = createTickSender({ bus });
  const queue = system.queue();

  async function subscribe(timer: Timer): Promise<void> {
    const { adminConnectionString } = system.bus;
    if (adminConnectionString === undefined) throw new Error("The bus has no administration.");
    await connectAdmin(adminConnectionString).createSubscription(TIMERS_TOPIC, subscriptionNameOf(timer), {
      forwardTo: jobQueueName(timer.pool, timer.priority),
      defaultRuleOptions: {
        name: "listener",
        filter: { applicationProperties: { [LISTENER_PROPERTY]: listenerOf(timer) } },
      },
    });
  }

  return {
    timers,
    async register(fields) {
      const timer = timerOf({ packageName: "test.zip", ...fields });
      const written = await timers.write(timer, undefined);
      if (!written.written) throw new Error("The timer is there already.");
      await subscribe(timer);
      return {
        timer,
        async tick(at, { again = false } = {}) {
          const tick = outgoingTick(timer, scheduleHashOf(timer), at);
          await sender.send([again ? { ...tick, messageId: randomUUID() } : tick]);
          return tickJobId(timer, at, scheduleHashOf(timer));
        },
        async poison() {
          const body = { version: 1, kind: "tick", tenantName: "No tenant", scheduledAt: "soon" };
          const applicationProperties = { [LISTENER_PROPERTY]: listenerOf(timer) };
          await raw.createSender(TIMERS_TOPIC).sendMessages({ body, messageId: randomUUID(), applicationProperties });
        },
        async runNow() {
          const now = new Date();
          await wakeTimerBatch(system.api.batches, timer, now);
          const trigger = { trigger: "manual", scheduledAt: now, missedCount: 0 } as const;
          const jobId = tickJobId(timer, now, randomUUID());
          const fields = { pool: timer.pool, submittedAt: now, submittedBy: "tester" };
          const result = await system.api.jobs.insert(newTimerJob(timer, { jobId, trigger, ...fields }));
          if (!result.written) throw new Error("The run was not inserted.");
          const stored = await system.api.jobs.get(jobId);
          if (stored === undefined) throw new Error("The run is not there.");
          await queue.send(jobQueueName(timer.pool, timer.priority), [outgoingBell(stored)]);
          return jobId;
        },
        run: async () => (await timers.run(batchIdOf(timer)))?.value ?? newTimerRun(batchIdOf(timer)),
        job: async (jobId) => (await system.api.jobs.get(jobId))?.value,
        async change(changes) {
          const stored = await timers.get(timer);
          const result = stored && (await timers.write({ ...stored.value, ...changes }, stored.etag));
          if (result?.written !== true) throw new Error("The timer was not changed.");
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await sender.close();
      await raw.close();
    },
  };
}
