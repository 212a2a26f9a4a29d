/** The pace of the refill: what it costs while jobs wait, and how soon it acts. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RefillReport } from "../../../runtime/sweeper/refill.ts";
import { startRefillDuty } from "../../../runtime/sweeper/refill-duty.ts";
import { silentLog } from "../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const NOTHING: RefillReport = { rangCount: 0, isPending: false, isDraining: false };
const NO_ROOM: RefillReport = { ...NOTHING, isPending: true };

/** A duty whose rounds report what the test says, after its first round. */
async function startDuty() {
  let report = NOTHING;
  let rounds = 0;
  const duty = startRefillDuty({
    refill: {
      round: () => {
        rounds++;
        return Promise.resolve(report);
      },
    },
    lease: { hold: () => Promise.resolve(true), release: () => Promise.resolve() },
    monotonicNow: () => performance.now(),
    log: silentLog,
  });
  await vi.advanceTimersByTimeAsync(0);
  return {
    duty,
    reports: (next: RefillReport) => void (report = next),
    /** Rounds within this time. */
    roundsIn: async (ms: number): Promise<number> => {
      const before = rounds;
      await vi.advanceTimersByTimeAsync(ms);
      return rounds - before;
    },
  };
}

describe("rounds of the refill", () => {
  it.each([
    ["once a second while nothing waits", NOTHING, 1],
    ["four times a second while it rings", { ...NO_ROOM, rangCount: 1 }, 4],
    ["twenty times a second while a queue drains", { rangCount: 1, isPending: true, isDraining: true }, 20],
    ["once a second when there was no room for long", NO_ROOM, 1],
  ])("come %s", async (_, report, count) => {
    const { duty, reports, roundsIn } = await startDuty();
    reports(report);
    await roundsIn(10_000);
    expect(await roundsIn(1_000)).toBe(count);
    await duty.stop();
  });

  it("come at once after a wake, and soon again while there is no room", async () => {
    const { duty, reports, roundsIn } = await startDuty();
    reports(NO_ROOM);
    duty.wake();
    expect(await roundsIn(0)).toBe(1);
    expect(await roundsIn(500)).toBe(2);
    await duty.stop();
  });

  it("come about ten times a second at most, however often jobs are parked", async () => {
    const { duty, reports, roundsIn } = await startDuty();
    reports(NO_ROOM);
    let rounds = 0;
    for (let ms = 0; ms < 10_000; ms += 10) {
      duty.wake();
      rounds += await roundsIn(10);
    }
    expect(rounds).toBeLessThanOrEqual(110);
    await duty.stop();
  });
});
