import { describe, expect, it } from "vitest";
import { believedRun, believedTimer } from "../../../../runtime/core/timer/believed.ts";
import { CLOCK_SKEW_MAX_MS, TICK_HORIZON_MAX_MS } from "../../../../runtime/core/limits.ts";
import { newTimerRun } from "../../../../runtime/core/timer/timer.ts";
import { timerOf } from "../../../support/builders.ts";

const NOW = new Date("2026-03-01T08:00:00Z");
const before = (ms: number): Date => new Date(NOW.getTime() - ms);
const after = (ms: number): Date => new Date(NOW.getTime() + ms);
const FAR_MS = TICK_HORIZON_MAX_MS + 2 * CLOCK_SKEW_MAX_MS + 1;

describe("believedTimer", () => {
  it("a time in a timer's row counts as far ahead as an accepted clock may write", () => {
    const timer = timerOf({ activeFrom: before(1), scheduledUpTo: after(FAR_MS - 1) });
    expect(believedTimer(timer, NOW)).toEqual(timer);
  });

  it("a timer whose row says that ticks far ahead were sent counts as having sent none", () => {
    const timer = timerOf({ activeFrom: before(1), scheduledUpTo: after(FAR_MS) });
    expect(believedTimer(timer, NOW)).toEqual({ ...timer, scheduledUpTo: before(1) });
  });

  it("a timer whose row says that it starts far ahead ticks from now on", () => {
    const timer = timerOf({ activeFrom: after(FAR_MS), scheduledUpTo: after(FAR_MS) });
    expect(believedTimer(timer, NOW)).toEqual({ ...timer, activeFrom: NOW, scheduledUpTo: NOW });
  });
});

describe("believedRun", () => {
  it("a timer's run row counts when its times are possible", () => {
    const run = { ...newTimerRun("b"), coveredUpTo: after(FAR_MS - 1) };
    expect(believedRun(run, NOW, NOW)).toBe(run);
    expect(believedRun(newTimerRun("b"), NOW, NOW)).toEqual(newTimerRun("b"));
  });

  it("a timer's run row of the far future says nothing of the present tick and later ones", () => {
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
