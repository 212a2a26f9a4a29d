import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import { batchIdOf } from "../../../../runtime/core/timer/timer.ts";
import { minute, setUpGate } from "../../../support/timers/gate-bench.ts";

describe("runs of one timer", () => {
  it("runs start in the order of their ticks", async () => {
    const { admit, gate, become, run, idOf, queue, deps, timer, setTime, stored } = await setUpGate({
      overlap: "queue",
    });
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
    const { admit, gate, become, run, idOf, setTime, stored, deps, timer, queue } = await setUpGate({
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

  it("a run behind an earlier waiting one looks once more when the holder ends, and settles", async () => {
    const { admit, gate, become, timers, run, idOf, setTime, stored, settledCount } = await setUpGate({
      misfire: { all: 2 },
    });
    await admit(minute(0));
    await gate(minute(0));
    await become(minute(0), "running");
    setTime(minute(3.5));
    await admit(minute(2));
    await gate(minute(2));
    setTime(minute(4.9));
    await admit(minute(3));

    const calls: string[] = [];
    const readRun = timers.run.bind(timers);
    timers.run = (batchId) => {
      if (calls.push("read") > 5) throw new Error("The gate is tried again and again.");
      return readRun(batchId);
    };
    const writeRun = timers.writeRun.bind(timers);
    timers.writeRun = async (row, etag) => {
      calls.push("write");
      const result = await writeRun(row, etag);
      if (calls.length === 2) await become(minute(0), "succeeded");
      return result;
    };
    expect(await gate(minute(3))).toEqual({ kind: "settled" });
    expect(calls).toEqual(["read", "write", "read"]);
    // A bell that comes too early changes nothing.
    expect(await gate(minute(3))).toEqual({ kind: "settled" });
    expect(calls).toEqual(["read", "write", "read", "read"]);
    expect(settledCount()).toBe(3);
    expect((await stored(minute(3))).value.state).toBe("queued");

    calls.length = 0;
    expect(await run()).toMatchObject({ currentJobId: idOf(minute(0)), waitingJobIds: [2, 3].map(minute).map(idOf) });
    expect(await gate(minute(2))).toMatchObject({ kind: "passed" });
    expect((await run()).waitingJobIds).toEqual([idOf(minute(3))]);
  });

  it("a run that was dropped does not run when its message comes again", async () => {
    const { admit, gate, become, jobs, idOf, setTime, stored } = await setUpGate({ misfire: { all: 2 } });
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
      const { admit, gate, run, setTime, stored } = await setUpGate({ misfire });
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
    const once = await setUpGate({ misfire: "once" });
    await once.admit(minute(0));
    once.setTime(minute(5));
    expect(await once.gate(minute(0))).toMatchObject({ kind: "passed" });
  });

  it("a run that waited too long is missed, and the bell of the next one is sent", async () => {
    const { admit, gate, become, run, setTime, stored } = await setUpGate({ misfire: "skip", overlap: "queue" });
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
    const { admit, gate, become, timers, queue, deps, timer, idOf, stored, writeRun } = await setUpGate({
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
