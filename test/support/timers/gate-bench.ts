/** A timer in memory whose ticks are admitted and brought to the gate by hand. */
import type { Job } from "../../../runtime/core/job/job.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { outgoingTick } from "../../../runtime/core/timer/tick.ts";
import {
  batchIdOf,
  newTimerRun,
  scheduleHashOf,
  tickJobId,
  type Timer,
  type TimerRun,
} from "../../../runtime/core/timer/timer.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { admitTick } from "../../../runtime/timers/run/admit-tick.ts";
import { passGate } from "../../../runtime/timers/run/pass-gate.ts";
import { withTimerBatches } from "../../../runtime/timers/run/timer-runs.ts";
import { timerOf } from "../builders.ts";
import { fakeQueue } from "../bus/fake-delivery.ts";
import { silentEvents, silentLog } from "../silent.ts";
import { createMemoryStores } from "../stores/memory-stores.ts";

export const NOW = new Date("2026-03-01T09:00:30Z");
export const minute = (count: number): Date => new Date(Date.parse("2026-03-01T09:00:00Z") + count * 60_000);

/** The timer ticks every minute and has recorded all up to the minute before. */
export async function setUpGate(fields: Partial<Timer> = {}) {
  const stores = createMemoryStores();
  const { jobs, timers, batches } = stores;
  const timer = timerOf(fields);
  await timers.write(timer, undefined);
  const batchId = batchIdOf(timer);
  await timers.writeRun({ ...newTimerRun(batchId), coveredUpTo: minute(-1) }, undefined);
  const queue = fakeQueue();
  let time = NOW;
  const now = (): Date => time;
  const shared = { jobs, timers, batches, queue, events: silentEvents, pool: "default", now, log: silentLog };
  const deps = { ...shared, completion: withTimerBatches(createBatchCompletion(shared), shared) };
  let completed = 0;
  const delivery = {
    complete: () => {
      completed++;
      return Promise.resolve();
    },
  };
  const run = async (): Promise<TimerRun> => (await timers.run(batchId))!.value;
  const idOf = (at: Date): string => tickJobId(timer, at, scheduleHashOf(timer));
  const stored = async (at: Date): Promise<Stored<Job>> => (await jobs.get(idOf(at)))!;
  return {
    ...{ timer, timers, jobs, queue, deps, run, idOf, stored },
    settledCount: () => completed,
    setTime: (to: Date) => void (time = to),
    admit: (at: Date) => admitTick(outgoingTick(timer, scheduleHashOf(timer), at).tick, delivery, deps),
    gate: async (at: Date) => passGate(await stored(at), delivery, deps, new AbortController().signal),
    become: async (at: Date, state: Job["state"]): Promise<void> => {
      for (const to of state === "queued"
        ? []
        : state === "running"
          ? (["running"] as const)
          : (["running", state] as const)) {
        const { value, etag } = await stored(at);
        await jobs.update({ jobId: value.jobId, etag, from: value.state, to, changes: {} });
      }
    },
    writeRun: async (changes: Partial<TimerRun>): Promise<void> => {
      const current = (await timers.run(batchId))!;
      await timers.writeRun({ ...current.value, ...changes }, current.etag);
    },
  };
}
