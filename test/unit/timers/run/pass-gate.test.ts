import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import { batchIdOf } from "../../../../runtime/core/timer/timer.ts";
import { createBatchCompletion } from "../../../../runtime/lifecycle/batch-completion.ts";
import { renewFence } from "../../../../runtime/timers/run/pass-gate.ts";
import { withTimerBatches } from "../../../../runtime/timers/run/timer-runs.ts";
import { minute, NOW, setUpGate } from "../../../support/timers/gate-bench.ts";

describe("a tick that is admitted", () => {
  it("an admitted tick has one row in the batch of its timer", async () => {
    const { admit, stored, timer, deps } = await setUpGate({ priority: "high" });
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
    const { admit, timer, deps } = await setUpGate();
    await admit(minute(0));
    const { etag } = (await deps.batches.get(batchIdOf(timer)))!;
    await deps.batches.update(batchIdOf(timer), etag, { atRest: true });
    await admit(minute(1));
    expect((await deps.batches.get(batchIdOf(timer)))?.value.atRest).toBe(false);
  });
});

describe("a row that a worker with a clock far ahead has written", () => {
  it("a row from a clock far ahead does not stop today's ticks", async () => {
    const { admit, gate, run, writeRun } = await setUpGate();
    const far = minute(3 * 60);
    await writeRun({ coveredUpTo: far, lastScheduledAt: far, missedTicks: [minute(0), far] });
    expect(await admit(minute(0))).toBe(true);
    expect(await gate(minute(0))).toMatchObject({ kind: "passed" });
    expect(await run()).toMatchObject({ coveredUpTo: minute(0), lastScheduledAt: minute(0), missedTicks: [] });
  });
});

describe("a run at the gate", () => {
  it("a run passes the gate with the next fence, and its tick is recorded", async () => {
    const { admit, gate, run, idOf, settledCount } = await setUpGate();
    await admit(minute(0));
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 1 });
    expect(await run()).toMatchObject({ currentJobId: idOf(minute(0)), fence: 1, coveredUpTo: minute(0) });
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 2 });
    expect(settledCount()).toBe(0);
  });

  it("a run decides again after another write of the timer's row", async () => {
    const { admit, gate, timers, become, idOf, stored } = await setUpGate();
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
    const { admit, gate, timers, run } = await setUpGate();
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
    const { admit, gate, writeRun, stored, settledCount, queue } = await setUpGate();
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
    const { admit, gate, run, stored, writeRun } = await setUpGate({ overlap: "allow", graceMs: 0 });
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
    const { admit, gate, become, jobs, run, stored } = await setUpGate();
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
    const { admit, gate } = await setUpGate({ overlap: "allow" });
    await admit(minute(0));
    await gate(minute(0));
    await admit(minute(1));
    await gate(minute(1));
    expect(await gate(minute(0))).toEqual({ kind: "passed", fence: 3 });
  });

  it("a run whose row has moved is read again", async () => {
    const { admit, gate, become, jobs, run, stored } = await setUpGate();
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
    const { admit, gate, become, timers, run, idOf } = await setUpGate({ overlap: "queue" });
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
    const { admit, gate, become, queue, timer, deps, idOf } = await setUpGate({ overlap: "queue" });
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
    const { admit, gate, become, queue, timer, deps } = await setUpGate({ overlap: "queue" });
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
    const { admit, gate, become, timers, stored } = await setUpGate({ overlap: "allow" });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    await admit(minute(1));
    timers.get = () => Promise.resolve(undefined);
    expect(await gate(minute(1))).toEqual({ kind: "settled" });
    expect((await stored(minute(1))).value.failure?.code).toBe("TimerSkipped");
  });
});

describe("a start without the gate", () => {
  it("a start without the gate gets a larger fence and leaves the timer to its holder", async () => {
    const { admit, gate, deps, run, stored, idOf, writeRun } = await setUpGate();
    await admit(minute(0));
    await gate(minute(0));
    expect(await renewFence((await stored(minute(0))).value, deps)).toBe(2);
    await writeRun({ currentJobId: "other" });
    expect(await renewFence((await stored(minute(0))).value, deps)).toBe(3);
    expect(await run()).toMatchObject({ currentJobId: "other", fence: 3 });
    expect(idOf(minute(0))).toBe((await stored(minute(0))).value.jobId);
  });
});
