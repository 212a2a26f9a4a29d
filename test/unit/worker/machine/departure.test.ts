import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createDeparture } from "../../../../runtime/worker/machine/departure.ts";
import { silentLog } from "../../../support/silent.ts";

const MINUTE = 60_000;

/** A departure with a worker that has drained when the test says so. */
function leaver() {
  const drains: number[] = [];
  const drained = Promise.withResolvers<undefined>();
  let ended = 0;
  const departure = createDeparture({ end: () => ended++, monotonicNow: () => Date.now(), log: silentLog });
  const worker = {
    drain: (drainMs: number) => {
      drains.push(drainMs);
      return drained.promise;
    },
  };
  return {
    departure,
    worker,
    drains,
    async finish() {
      drained.resolve(undefined);
      await vi.advanceTimersByTimeAsync(0);
    },
    get ended() {
      return ended;
    },
  };
}

const terminate = { reason: "Terminate", drainMs: 14 * MINUTE, machineGoes: true };
const release = { reason: "another release", drainMs: Infinity, machineGoes: false };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a worker's departure", () => {
  it("a departure for new code ends the process after the last job", async () => {
    const one = leaver();
    one.departure.attach(one.worker);
    one.departure.leave(release);
    expect(one.departure.leaving.aborted).toBe(true);
    expect(one.ended).toBe(0);
    await one.finish();
    expect(one.ended).toBe(1);
    // As long as a timer can be: jobs may run for a week.
    expect(one.drains[0]).toBeGreaterThan(7 * 24 * 60 * MINUTE);
  });

  it("a departure from a machine that goes keeps the process", async () => {
    const one = leaver();
    let told = 0;
    one.departure.onDrained(() => told++);
    one.departure.attach(one.worker);
    one.departure.leave(terminate);
    await one.finish();
    expect([one.departure.state, told, one.ended]).toEqual(["drained", 1, 0]);
    await vi.advanceTimersByTimeAsync(15 * MINUTE);
    expect(one.ended).toBe(1);
  });

  it("a departure ends the drained process when the machine stays after all", async () => {
    for (const first of ["finish", "stay"]) {
      const one = leaver();
      one.departure.attach(one.worker);
      one.departure.leave(terminate);
      if (first === "finish") await one.finish();
      one.departure.stay();
      if (first === "stay") await one.finish();
      expect(one.ended).toBe(1);
    }
  });

  it("a second departure can shorten the time, and the machine counts more than new code", async () => {
    const one = leaver();
    one.departure.attach(one.worker);
    one.departure.leave(release);
    one.departure.leave(terminate);
    // The same event, told again a moment later.
    one.departure.leave({ ...terminate, drainMs: terminate.drainMs - 5 });
    one.departure.leave(release);
    one.departure.leave({ ...terminate, drainMs: 0 });
    expect(one.drains.slice(1)).toEqual([14 * MINUTE, 0]);
    await one.finish();
    expect(one.ended).toBe(0);
    one.departure.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a departure before the worker receives is carried out once it does", async () => {
    const one = leaver();
    one.departure.leave(terminate);
    await vi.advanceTimersByTimeAsync(MINUTE);
    one.departure.attach(one.worker);
    expect(one.drains).toEqual([13 * MINUTE]);
    one.departure.stop();
  });
});
