import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import type { Job } from "../../../../runtime/core/job/job.ts";
import type { Stored } from "../../../../runtime/core/ports/stored.ts";
import { outgoingTick } from "../../../../runtime/core/timer/tick.ts";
import {
  batchIdOf,
  newTimerRun,
  scheduleHashOf,
  tickJobId,
  type Timer,
  type TimerRun,
} from "../../../../runtime/core/timer/timer.ts";
import { createBatchCompletion } from "../../../../runtime/lifecycle/batch-completion.ts";
import { withTimerBatches } from "../../../../runtime/timers/run/timer-runs.ts";
import { admitTick } from "../../../../runtime/timers/run/admit-tick.ts";
import { passGate, renewFence } from "../../../../runtime/timers/run/pass-gate.ts";
import { timerOf } from "../../../support/builders.ts";
import { fakeQueue } from "../../../support/bus/fake-delivery.ts";
import { createMemoryStores } from "../../../support/stores/memory-stores.ts";
import { silentEvents, silentLog } from "../../../support/silent.ts";

const NOW = new Date("2026-03-01T09:00:30Z");
const minute = (count: number): Date => new Date(Date.parse("2026-03-01T09:00:00Z") + count * 60_000);

/** A timer that ticks every minute and has recorded all up to the minute before. */
async function setUp(fields: Partial<Timer> = {}) {
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

describe("a tick that is admitted", () => {
  it("an admitted tick has one row in the batch of its timer", async () => {
    const { admit, stored, timer, deps } = await setUp({ priority: "high" });
    expect(await admit(minute(0))).toBe(true);
    const { etag, value } = await stored(minute(0));
    expect(value).toMatchObject({
      state: "queued",
      ring: 1,
      ...{ jobType: "Export", jobName: "Export", jobProcessorPackageName: "export.zip", priority: "high" },
      parameters: '{"trigger":"schedule","scheduledAt":"2026-03-01T09:00:00.000Z","missedCount":0}',
    });
    expect(await admit(minute(0))).toBe(true);
    expect((await stored(minute(0))).etag).toBe(etag);
    expect((await deps.batches.get(batchIdOf(timer)))?.value).toMatchObject({
      batchName: "timer:Export",
      state: "open",
    });
  });

  it("an admitted tick wakes a batch at rest before its row is inserted", async () => {
    const { admit, timer, deps } = await setUp();
    await admit(minute(0));
    const { etag } = (await deps.batches.get(batchIdOf(timer)))!;
    await deps.batches.update(batchIdOf(timer), etag, { atRest: true });
    await admit(minute(1));
    expect((await deps.batches.get(batchIdOf(timer)))?.value.atRest).toBe(false);
  });
});

describe("a row that a worker with a clock far ahead has written", () => {
  it("a row from a clock far ahead does not stop today's ticks", async () => {
    const { admit, gate, run, writeRun } = await setUp();
    const far = minute(3 * 60);
    await writeRun({ coveredUpTo: far, lastScheduledAt: far, missedTicks: [minute(0), far] });
    expect(await admit(minute(0))).toBe(true);
    expect(await gate(minute(0))).toMatchObject({ kind: "passed" });
    expect(await run()).toMatchObject({ coveredUpTo: minute(0), lastScheduledAt: minute(0), missedTicks: [] });
  });
});

describe("a run at the gate", () => {
  it("a run passes the gate with the next fence, and its tick is recorded", async () => {
    const { admit, gate, run, idOf, settledCount } = await setUp();
    await admit(minute(0));
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 1 });
    expect(await run()).toMatchObject({ currentJobId: idOf(minute(0)), fence: 1, coveredUpTo: minute(0) });
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 2 });
    expect(settledCount()).toBe(0);
  });

  it("a run decides again after another write of the timer's row", async () => {
    const { admit, gate, timers, become, idOf, stored } = await setUp();
    await admit(minute(0));
    await admit(minute(1));
    const writeRun = timers.writeRun.bind(timers);
    let refusals = 1;
    // As it writes, the other one passes and runs.
    timers.writeRun = async (row, etag) => {
      if (refusals-- <= 0) return writeRun(row, etag);
      await gate(minute(1));
      await become(minute(1), "running");
      return writeRun(row, etag);
    };
    expect(await gate(minute(0))).toEqual({ kind: "settled" });
    expect((await stored(minute(0))).value).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" } });
    expect((await stored(minute(0))).value.failure?.message).toContain(idOf(minute(1)));
  });

  it("a run recognises its write of the timer's row when the answer was lost", async () => {
    const { admit, gate, timers, run } = await setUp();
    await admit(minute(0));
    const writeRun = timers.writeRun.bind(timers);
    timers.writeRun = async (row, etag) => {
      await writeRun(row, etag);
      return { written: false, current: await timers.run(row.batchId) };
    };
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 1 });
    expect(await run()).toMatchObject({ fence: 1 });
  });

  it("a run ends as missed when another run covers its tick", async () => {
    const { admit, gate, writeRun, stored, settledCount, queue } = await setUp();
    await admit(minute(0));
    await writeRun({ coveredUpTo: minute(5), missedTicks: [minute(0)] });
    expect(await gate(minute(0))).toEqual({ kind: "settled" });
    const { value } = await stored(minute(0));
    expect(value).toMatchObject({
      state: "canceled",
      failure: { code: "TimerMissed", retryable: false },
      endedAt: NOW,
    });
    expect(settledCount()).toBe(1);
    expect(queue.sent).toEqual([]);
  });

  it("a run that may overlap still ends as missed when its tick was counted as missed", async () => {
    const { admit, gate, run, stored, writeRun } = await setUp({ overlap: "allow", graceMs: 0 });
    await writeRun({ coveredUpTo: minute(-3) });
    // Both are late, and each was to stand for the other: whoever comes to the gate first does.
    await admit(minute(-2));
    await admit(minute(-1));
    expect(await gate(minute(-2))).toEqual({ kind: "passed", fence: 1 });
    expect(await run()).toMatchObject({ missedCount: 2, missedTicks: [minute(-1), minute(0)] });
    expect(await gate(minute(-1))).toEqual({ kind: "settled" });
    expect((await stored(minute(-1))).value).toMatchObject({ state: "canceled", failure: { code: "TimerMissed" } });
    expect(await run()).toMatchObject({ missedCount: 2, fence: 1 });
  });

  it("a run that was counted as skipped ends as skipped when its message comes again", async () => {
    const { admit, gate, become, jobs, run, stored } = await setUp();
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    const update = jobs.update.bind(jobs);
    jobs.update = () => Promise.reject(new UnavailableError("StorageUnavailable", "away"));
    await expect(gate(minute(1))).rejects.toThrow(UnavailableError);
    jobs.update = update;
    await become(minute(0), "succeeded");
    expect(await gate(minute(1))).toEqual({ kind: "settled" });
    expect((await stored(minute(1))).value).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" } });
    expect(await run()).toMatchObject({ skippedCount: 1, missedCount: 0 });
  });

  it("a run that may overlap passes again when its worker died before the claim", async () => {
    const { admit, gate } = await setUp({ overlap: "allow" });
    await admit(minute(0));
    await gate(minute(0));
    await admit(minute(1));
    await gate(minute(1));
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 3 });
  });

  it("a run whose row has moved is read again", async () => {
    const { admit, gate, become, jobs, run, stored } = await setUp();
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    const update = jobs.update.bind(jobs);
    jobs.update = async (wish) => {
      jobs.update = update;
      await update({ ...wish, to: "queued", changes: {} });
      return update(wish);
    };
    expect(await gate(minute(1))).toEqual({ kind: "moved" });
    expect((await stored(minute(1))).value.state).toBe("queued");
    expect(await gate(minute(1))).toEqual({ kind: "settled" });
    expect(await run()).toMatchObject({ skippedCount: 1 });
  });

  it("a waiting run checks the holder again and passes when it has just ended", async () => {
    const { admit, gate, become, timers, run, idOf } = await setUp({ overlap: "queue" });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    const writeRun = timers.writeRun.bind(timers);
    timers.writeRun = async (row, etag) => {
      timers.writeRun = writeRun;
      const result = await writeRun(row, etag);
      await become(minute(0), "succeeded");
      return result;
    };
    expect(await gate(minute(1))).toEqual({ kind: "passed", fence: 2 });
    expect(await run()).toMatchObject({ currentJobId: idOf(minute(1)), waitingJobIds: [] });
  });

  it("the end of a run sends the bell of the next waiting run under a new message id", async () => {
    const { admit, gate, become, queue, timer, deps, idOf } = await setUp({ overlap: "queue" });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    expect(await gate(minute(1))).toEqual({ kind: "settled" });
    await deps.completion.afterJobEnded(batchIdOf(timer));
    expect(queue.sent).toEqual([]);
    await become(minute(0), "succeeded");
    await deps.completion.afterJobEnded(batchIdOf(timer));
    await deps.completion.afterJobEnded(batchIdOf(timer));
    const names = queue.sent.map(({ messageId }) => messageId);
    expect(names.every((name) => name.startsWith(`${idOf(minute(1))}:1:`))).toBe(true);
    expect(new Set(names).size).toBe(2);
  });

  it("the bell of a waiting run in another pool is left to the sweeper", async () => {
    const { admit, gate, become, queue, timer, deps } = await setUp({ overlap: "queue" });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    await gate(minute(1));
    await become(minute(0), "succeeded");
    const elsewhere = withTimerBatches(createBatchCompletion(deps), { ...deps, pool: "other" });
    await elsewhere.afterJobEnded(batchIdOf(timer));
    expect(queue.sent).toEqual([]);
  });

  it("a run of a removed timer does not overlap another run", async () => {
    const { admit, gate, become, timers, stored } = await setUp({ overlap: "allow" });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    timers.get = () => Promise.resolve(undefined);
    expect(await gate(minute(1))).toEqual({ kind: "settled" });
    expect((await stored(minute(1))).value.failure?.code).toBe("TimerSkipped");
  });
});

describe("runs of one timer", () => {
  it("runs start in the order of their ticks", async () => {
    const { admit, gate, become, run, idOf, queue, deps, timer, setTime, stored } = await setUp({ overlap: "queue" });
    for (const at of [minute(0), minute(1)]) await admit(at);
    await gate(minute(0));
    await become(minute(0), "running");
    await gate(minute(1));
    await become(minute(0), "succeeded");
    // Before the bell of the one that waits has come.
    setTime(minute(2));
    await admit(minute(2));
    expect(await gate(minute(2))).toEqual({ kind: "settled" });
    expect(await run()).toMatchObject({ currentJobId: idOf(minute(0)), skippedCount: 1 });
    expect((await stored(minute(2))).value.failure?.code).toBe("TimerSkipped");
    expect(queue.sent.at(-1)?.messageId).toContain(idOf(minute(1)));
    await deps.completion.afterJobEnded(batchIdOf(timer));
    expect(await gate(minute(1))).toMatchObject({ kind: "passed" });
  });

  it("runs that run one by one are the latest ones, and older waiting runs are missed", async () => {
    const { admit, gate, become, run, idOf, setTime, stored, deps, timer, queue } = await setUp({
      misfire: { all: 2 },
    });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    setTime(minute(3.5));
    for (const [count, time] of [
      [2, 3.5],
      [3, 4.9],
      [4, 5.9],
    ] as const) {
      setTime(minute(time));
      await admit(minute(count));
      expect(await gate(minute(count))).toEqual({ kind: "settled" });
    }
    expect((await run()).waitingJobIds).toEqual([idOf(minute(3)), idOf(minute(4))]);
    expect(await run()).toMatchObject({ missedCount: 2, lastMissedAt: minute(2), skippedCount: 0 });
    expect((await stored(minute(2))).value).toMatchObject({ state: "canceled", failure: { code: "TimerMissed" } });
    await become(minute(0), "succeeded");
    await deps.completion.afterJobEnded(batchIdOf(timer));
    expect(queue.sent.at(-1)?.messageId).toContain(idOf(minute(3)));
    expect(await gate(minute(3))).toMatchObject({ kind: "passed" });
  });

  it("a run that was dropped does not run when its message comes again", async () => {
    const { admit, gate, become, jobs, idOf, setTime, stored } = await setUp({ misfire: { all: 2 } });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    for (const count of [2, 3]) {
      setTime(minute(count + 1.5));
      await admit(minute(count));
      await gate(minute(count));
    }
    setTime(minute(5.5));
    await admit(minute(4));
    const update = jobs.update.bind(jobs);
    const away = new UnavailableError("StorageUnavailable", "away");
    jobs.update = (wanted) => (wanted.jobId === idOf(minute(2)) ? Promise.reject(away) : update(wanted));
    await expect(gate(minute(4))).rejects.toThrow("away");
    jobs.update = update;
    expect((await stored(minute(2))).value.state).toBe("queued");
    expect(await gate(minute(2))).toEqual({ kind: "settled" });
    expect((await stored(minute(2))).value.failure?.code).toBe("TimerMissed");
  });

  it("a run that was admitted in time and starts too late is missed if misfire says so", async () => {
    for (const misfire of ["skip", { all: 2 }] as const) {
      const { admit, gate, run, setTime, stored } = await setUp({ misfire });
      await admit(minute(0));
      setTime(minute(5));
      expect(await gate(minute(0))).toEqual({ kind: "settled" });
      expect((await stored(minute(0))).value.failure?.code).toBe("TimerMissed");
      expect(await run()).toMatchObject({
        currentJobId: undefined,
        fence: 0,
        lastMissedAt: minute(3),
      });
    }
    const once = await setUp({ misfire: "once" });
    await once.admit(minute(0));
    once.setTime(minute(5));
    expect(await once.gate(minute(0))).toMatchObject({ kind: "passed" });
  });

  it("a run that waited too long is missed, and the bell of the next one is sent", async () => {
    const { admit, gate, become, run, setTime, stored } = await setUp({ misfire: "skip", overlap: "queue" });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    setTime(minute(1));
    await admit(minute(1));
    await gate(minute(1));
    await become(minute(0), "succeeded");
    setTime(minute(2.5));
    expect(await gate(minute(1))).toEqual({ kind: "settled" });
    expect((await stored(minute(1))).value.failure).toMatchObject({ code: "TimerMissed" });
    expect(await run()).toMatchObject({ missedCount: 1, lastMissedAt: minute(1), waitingJobIds: [], fence: 1 });
  });
});

describe("whoever asks for those that wait", () => {
  it("the end of a run reads the timer again when all waiting runs have ended", async () => {
    const { admit, gate, become, timers, queue, deps, timer, idOf, stored, writeRun } = await setUp({
      overlap: "queue",
    });
    for (const count of [0, 1, 2]) await admit(minute(count));
    await gate(minute(0));
    await become(minute(0), "running");
    await gate(minute(1));
    await become(minute(0), "succeeded");
    const { etag } = await stored(minute(1));
    await deps.jobs.update({ jobId: idOf(minute(1)), etag, from: "queued", to: "canceled", changes: {} });
    const run = timers.run.bind(timers);
    timers.run = async (batchId) => {
      timers.run = run;
      const before = await run(batchId);
      await writeRun({ waitingJobIds: [idOf(minute(1)), idOf(minute(2))] });
      return before;
    };
    await deps.completion.afterJobEnded(batchIdOf(timer));
    expect(queue.sent.map(({ messageId }) => messageId)).toEqual([expect.stringContaining(idOf(minute(2)))]);
  });
});

describe("a start without the gate", () => {
  it("a start without the gate gets a larger fence and leaves the timer to its holder", async () => {
    const { admit, gate, deps, run, stored, idOf, writeRun } = await setUp();
    await admit(minute(0));
    await gate(minute(0));
    expect(await renewFence((await stored(minute(0))).value, deps)).toBe(2);
    await writeRun({ currentJobId: "other" });
    expect(await renewFence((await stored(minute(0))).value, deps)).toBe(3);
    expect(await run()).toMatchObject({ currentJobId: "other", fence: 3 });
    expect(idOf(minute(0))).toBe((await stored(minute(0))).value.jobId);
  });
});
