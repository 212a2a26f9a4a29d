import { describe, expect, it } from "vitest";
import { believedRun, believedTimer } from "../../../../runtime/core/timer/believed.ts";
import { CLOCK_SKEW_MAX_MS, TICK_HORIZON_MAX_MS } from "../../../../runtime/core/limits.ts";
import { newTimerRun } from "../../../../runtime/core/timer/timer.ts";
import { timerOf } from "../../../support/builders.ts";

const NOW = new Date("2026-03-01T08:00:00Z");
const before = (ms: number): Date => new Date(NOW.getTime() - ms);
const after = (ms: number): Date => new Date(NOW.getTime() + ms);
const FAR_MS = TICK_HORIZON_MAX_MS + 2 * CLOCK_SKEW_MAX_MS + 1;

describe("a timer's row", () => {
  it("is believed as far ahead as any clock that is let pass may write", () => {
    const timer = timerOf({ activeFrom: before(1), scheduledUpTo: after(FAR_MS - 1) });
    expect(believedTimer(timer, NOW)).toEqual(timer);
  });

  it("has sent nothing if it says that ticks far ahead were sent", () => {
    const timer = timerOf({ activeFrom: before(1), scheduledUpTo: after(FAR_MS) });
    expect(believedTimer(timer, NOW)).toEqual({ ...timer, scheduledUpTo: before(1) });
  });

  it("ticks from now on if it says that it ticks from a time far ahead", () => {
    const timer = timerOf({ activeFrom: after(FAR_MS), scheduledUpTo: after(FAR_MS) });
    expect(believedTimer(timer, NOW)).toEqual({ ...timer, activeFrom: NOW, scheduledUpTo: NOW });
  });
});

describe("what a timer does", () => {
  it("is believed when it is possible", () => {
    const run = { ...newTimerRun("b"), coveredUpTo: after(FAR_MS - 1) };
    expect(believedRun(run, NOW, NOW)).toBe(run);
    expect(believedRun(newTimerRun("b"), NOW, NOW)).toEqual(newTimerRun("b"));
  });

  it("says nothing of the tick that has come and later ones when it speaks of the far future", () => {
    const times = [before(2), NOW, after(FAR_MS)];
    const run = {
      ...newTimerRun("b"),
      ...{ coveredUpTo: after(FAR_MS), lastScheduledAt: after(FAR_MS), overtakenTicks: times, missedTicks: times },
    };
    expect(believedRun(run, NOW, NOW)).toEqual({
      ...run,
      ...{ coveredUpTo: before(1), lastScheduledAt: undefined, overtakenTicks: [before(2)], missedTicks: [before(2)] },
    });
  });
});
