import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MISSED_TICKS_KEPT, OVERTAKEN_TICKS_MAX } from "../../../../runtime/core/limits.ts";
import type { Misfire } from "../../../../runtime/core/package/manifest.ts";
import { parseSchedule, ticksBetween } from "../../../../runtime/core/schedule/schedule.ts";
import {
  isPastDue,
  isRecorded,
  recordOf,
  judgeTick,
  MISSED_COUNT_MAX,
  recordTicks,
  type Coverage,
  type TickRules,
} from "../../../../runtime/core/timer/judgement.ts";

const MINUTE = 60_000;
const schedule = parseSchedule({ cron: "0 * * * * *" });
const START = Date.parse("2026-03-01T08:00:00Z");
/** So many minutes after eight. */
const minute = (count: number): Date => new Date(START + count * MINUTE);
const second = (count: number): Date => new Date(START + count * 1_000);
const NONE: Coverage = { coveredUpTo: undefined, overtakenTicks: [], missedTicks: [] };
const coverage = (fields: Partial<Coverage> = {}): Coverage => ({ ...NONE, ...fields });
const rules = (fields: Partial<TickRules> = {}): TickRules => ({
  misfire: "once",
  graceMs: MINUTE,
  activeFrom: minute(0),
  schedule,
  ...fields,
});

describe("a tick in time", () => {
  it.each(["once", "skip", { all: 3 }] as const)("a tick in time runs under misfire %j", (misfire) => {
    const covered = coverage({ coveredUpTo: minute(4) });
    expect(judgeTick(covered, rules({ misfire }), minute(5), second(5 * 60 + 60))).toEqual({
      verdict: "run",
      missed: undefined,
    });
  });

  it("a tick runs before its time by the clock of a worker that is slow", () => {
    const judged = judgeTick(coverage({ coveredUpTo: minute(4) }), rules(), minute(5), minute(3));
    expect(judged).toEqual({ verdict: "run", missed: undefined });
  });

  it("a tick in time reports the ticks that never came and are too late, without those that may still come", () => {
    const judged = judgeTick(coverage({ coveredUpTo: minute(1) }), rules(), minute(9), minute(9));
    expect(judged).toEqual({ verdict: "run", missed: { count: 6, first: minute(2), last: minute(7) } });
    expect(
      recordTicks(
        coverage({ coveredUpTo: minute(1) }),
        rules(),
        minute(9),
        judged.verdict === "run" ? judged.missed : undefined,
      ),
    ).toEqual({
      coveredUpTo: minute(9),
      overtakenTicks: [minute(8)],
      missedCount: 6,
      lastMissedAt: minute(7),
      missedTicks: [2, 3, 4, 5, 6, 7].map(minute),
    });
  });

  it("a tick in time runs also when a later one has come first", () => {
    const recorded = recordTicks(coverage({ coveredUpTo: minute(4) }), rules(), minute(6), undefined);
    expect(recorded).toMatchObject({ coveredUpTo: minute(6), overtakenTicks: [minute(5)], missedCount: 0 });
    expect(judgeTick(recorded, rules(), minute(5), minute(6))).toMatchObject({ verdict: "run" });
    expect(recordTicks(recorded, rules(), minute(5), undefined)).toMatchObject({
      coveredUpTo: minute(6),
      overtakenTicks: [],
    });
  });
});

describe("a tick that is too late", () => {
  const now = second(9 * 60 + 30);
  const covered = coverage({ coveredUpTo: minute(1) });

  it("a late tick under misfire once runs for all that are due, and records them", () => {
    const judged = judgeTick(covered, rules(), minute(2), now);
    expect(judged).toEqual({ verdict: "run", missed: { count: 7, first: minute(3), last: minute(9) } });
    if (judged.verdict !== "run") return;
    const recorded = recordTicks(covered, rules(), minute(2), judged.missed);
    expect(recorded).toMatchObject({ coveredUpTo: minute(9), overtakenTicks: [], missedCount: 7 });
    for (let i = 2; i <= 9; i++) expect(judgeTick(recorded, rules(), minute(i), now)).toEqual({ verdict: "recorded" });
    expect(judgeTick(recorded, rules(), minute(10), minute(10))).toMatchObject({ verdict: "run", missed: undefined });
  });

  it("a late tick under misfire skip is missed, with all that are too late", () => {
    const skipping = rules({ misfire: "skip" });
    const judged = judgeTick(covered, skipping, minute(2), now);
    expect(judged).toEqual({ verdict: "missed", missed: { count: 7, first: minute(2), last: minute(8) } });
    if (judged.verdict !== "missed") return;
    const recorded = recordTicks(covered, skipping, undefined, judged.missed);
    expect(recorded).toEqual({
      coveredUpTo: minute(8),
      overtakenTicks: [],
      missedCount: 7,
      lastMissedAt: minute(8),
      missedTicks: [2, 3, 4, 5, 6, 7, 8].map(minute),
    });
    expect(judgeTick(recorded, skipping, minute(9), now)).toEqual({ verdict: "run", missed: undefined });
  });

  it("a late tick under misfire all runs if it is among the latest, else it is missed", () => {
    const three = rules({ misfire: { all: 3 } });
    const judged = judgeTick(covered, three, minute(2), now);
    expect(judged).toEqual({ verdict: "missed", missed: { count: 5, first: minute(2), last: minute(6) } });
    const recorded = recordTicks(covered, three, undefined, { first: minute(2), last: minute(6) });
    for (const i of [7, 8, 9]) {
      expect(judgeTick(recorded, three, minute(i), now)).toEqual({ verdict: "run", missed: undefined });
    }
    const first = judgeTick(covered, three, minute(8), now);
    expect(first).toEqual({ verdict: "run", missed: { count: 5, first: minute(2), last: minute(6) } });
    expect(recordTicks(covered, three, minute(8), { first: minute(2), last: minute(6) })).toMatchObject({
      coveredUpTo: minute(8),
      overtakenTicks: [minute(7)],
      missedCount: 5,
    });
  });

  it("a tick is late only beyond its grace", () => {
    expect(isPastDue(minute(1), 5_000, second(65))).toBe(false);
    expect(isPastDue(minute(1), 5_000, new Date(START + 65_001))).toBe(true);
    const skipping = rules({ misfire: "skip", graceMs: 5_000 });
    expect(judgeTick(NONE, skipping, minute(1), second(65))).toMatchObject({ verdict: "run" });
    expect(judgeTick(NONE, skipping, minute(1), new Date(START + 65_001))).toMatchObject({ verdict: "missed" });
  });
});

describe("a tick of a time when the timer was not active", () => {
  it("a tick from before the timer was active counts as recorded, and none before it is missed", () => {
    const resumed = rules({ activeFrom: second(9 * 60 + 30) });
    expect(judgeTick(coverage({ coveredUpTo: minute(2) }), resumed, minute(9), minute(9))).toEqual({
      verdict: "recorded",
    });
    expect(judgeTick(coverage({ coveredUpTo: minute(2) }), resumed, minute(10), minute(10))).toEqual({
      verdict: "run",
      missed: undefined,
    });
    const overtaken = coverage({ coveredUpTo: minute(9), overtakenTicks: [minute(8)] });
    expect(isRecorded(overtaken, resumed, minute(8))).toBe(true);
    expect(recordTicks(overtaken, resumed, minute(10), undefined).overtakenTicks).toEqual([]);
  });
});

describe("recordOf", () => {
  it("recordOf tells missed ticks from ticks judged at the gate and from open ones", () => {
    const recorded = recordTicks(coverage({ coveredUpTo: minute(1), missedTicks: [minute(0)] }), rules(), minute(9), {
      first: minute(3),
      last: minute(5),
    });
    expect(recorded.missedTicks).toEqual([minute(0), minute(3), minute(4), minute(5)]);
    const says = (at: Date, own = rules()) => recordOf(recorded, own, at);
    expect([3, 4, 5].map((i) => says(minute(i)))).toEqual(["missed", "missed", "missed"]);
    expect([6, 7, 8, 10].map((i) => says(minute(i)))).toEqual(["none", "none", "none", "none"]);
    expect(says(minute(9))).toBe("judged");
    expect(says(minute(8), rules({ activeFrom: minute(8) }))).toBe("missed");
  });

  it("recordOf takes a tick older than all remembered ones for missed", () => {
    const often = rules({ schedule: parseSchedule({ cron: "* * * * * *" }), graceMs: 0 });
    const recorded = recordTicks(NONE, often, minute(60), { first: second(1), last: second(3_599) });
    expect(recorded.missedTicks).toHaveLength(MISSED_TICKS_KEPT);
    expect(recorded.missedTicks.at(-1)).toEqual(second(3_599));
    expect(recordOf(recorded, often, second(5))).toBe("missed");
    expect(recordOf(recorded, often, minute(60))).toBe("judged");
  });
});

describe("long backlogs", () => {
  it("a long backlog is counted up to a limit, and ends at its last tick", () => {
    const often = rules({ schedule: parseSchedule({ cron: "* * * * * *" }), graceMs: 0 });
    const now = new Date(START + 30 * 24 * 60 * MINUTE);
    const judged = judgeTick(NONE, often, now, now);
    if (judged.verdict !== "run") throw new Error("It does not run.");
    expect(judged.missed!.count).toBeGreaterThanOrEqual(MISSED_COUNT_MAX);
    expect(judged.missed!.last).toEqual(new Date(now.getTime() - 1_000));
    const recorded = recordTicks(NONE, often, now, judged.missed);
    expect(recorded).toMatchObject({ coveredUpTo: now, overtakenTicks: [], missedCount: MISSED_COUNT_MAX });
  });

  it("a long backlog keeps at most OVERTAKEN_TICKS_MAX ticks open", () => {
    const often = rules({ schedule: parseSchedule({ cron: "* * * * * *" }), graceMs: 24 * 60 * MINUTE });
    const judged = judgeTick(NONE, often, minute(60), minute(60));
    expect(judged).toMatchObject({ missed: { count: 3_600 - 1 - OVERTAKEN_TICKS_MAX } });
    const recorded = recordTicks(NONE, often, minute(60), undefined);
    expect(recorded.overtakenTicks).toHaveLength(OVERTAKEN_TICKS_MAX);
    expect(recorded.missedCount).toBe(3_600 - 1 - OVERTAKEN_TICKS_MAX);
  });
});

describe("ticks in any order", () => {
  it("every tick is recorded exactly once, as a run or as missed, in any order of arrival", () => {
    const misfires: readonly Misfire[] = ["once", "skip", { all: 1 }, { all: 4 }];
    const delays = fc.array(fc.option(fc.nat(12 * 60), { nil: undefined }), { minLength: 1, maxLength: 25 });
    fc.assert(
      fc.property(fc.constantFrom(...misfires), fc.constantFrom(0, 30, 60, 150), delays, (misfire, graceS, late) => {
        const own = rules({ misfire, graceMs: graceS * 1_000 });
        // Some never come; the last one does, long after.
        const end = late.length + 40;
        const comings = [
          ...late.flatMap((delayS, i) =>
            delayS === undefined ? [] : [{ at: minute(i + 1), on: second((i + 1) * 60 + delayS) }],
          ),
          ...late.flatMap((delayS, i) =>
            delayS === undefined ? [] : [{ at: minute(i + 1), on: second((i + 1) * 60 + delayS + 90) }],
          ),
          { at: minute(end), on: minute(end) },
        ].toSorted((a, b) => a.on.getTime() - b.on.getTime());
        const runs: Date[] = [];
        let missedCount = 0;
        let state = NONE;
        for (const { at, on } of comings) {
          if (runs.some((run) => run.getTime() === at.getTime())) continue;
          const judged = judgeTick(state, own, at, on);
          if (judged.verdict === "recorded") continue;
          if (judged.verdict === "run") runs.push(at);
          const recorded = recordTicks(state, own, judged.verdict === "run" ? at : undefined, judged.missed);
          expect(recorded.missedCount).toBe(judged.missed?.count ?? 0);
          missedCount += recorded.missedCount;
          state = recorded;
        }
        const all = ticksBetween(schedule, minute(0), minute(end), 1_000);
        // What may still come when the last one has come is no more than was in grace, or among the latest.
        expect(runs.length + missedCount + state.overtakenTicks.length).toBe(all.length);
        expect(new Set(runs.map(Number)).size).toBe(runs.length);
        expect(state.coveredUpTo).toEqual(minute(end));
        const mayStill = typeof misfire === "string" ? graceS / 60 : Math.max(graceS / 60, misfire.all);
        expect(state.overtakenTicks.length).toBeLessThanOrEqual(mayStill);
      }),
      { numRuns: 1_500 },
    );
  });
});
