import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CLOCK_SKEW_MAX_MS,
  MISFIRE_ALL_MAX,
  TICK_HORIZON_MIN_MS,
  TICK_HORIZON_MS,
  TICKS_PER_ROUND_MAX,
} from "../../../../runtime/core/limits.ts";
import { parseSchedule, ticksBetween } from "../../../../runtime/core/schedule/schedule.ts";
import type { OutgoingTick } from "../../../../runtime/core/timer/tick.ts";
import { listenerOf, scheduleHashOf, type Timer } from "../../../../runtime/core/timer/timer.ts";
import { planTicks, type TickPlan } from "../../../../runtime/timers/schedule/plan-ticks.ts";
import { timerOf } from "../../../support/builders.ts";

const MINUTE_MS = 60_000;
const START = new Date("2026-03-01T08:00:00Z");
const at = (time: string): Date => new Date(`2026-03-01T${time}Z`);
const fresh = (fields: Partial<Timer> = {}): Timer => timerOf({ activeFrom: START, scheduledUpTo: START, ...fields });
const timesOf = (plan: TickPlan | undefined): readonly string[] =>
  plan?.ticks.map(({ enqueueAt }) => enqueueAt.toISOString().slice(11, 19)) ?? [];

describe("the ticks of one round", () => {
  it("a round plans the ticks up to the horizon, each with its own time and name", () => {
    const timer = fresh({ cron: "30 */4 * * * *" });
    const plan = planTicks(timer, START);
    expect(timesOf(plan)).toEqual(["08:00:30", "08:04:30", "08:08:30"]);
    expect(plan?.scheduledUpTo).toEqual(at("08:08:30"));
    expect(plan?.ticks[0]).toMatchObject({
      listener: listenerOf(timer),
      tick: { scheduledAt: "2026-03-01T08:00:30.000Z", scheduleHash: scheduleHashOf(timer) },
    });
    expect(new Set(plan?.ticks.map(({ messageId }) => messageId)).size).toBe(3);
  });

  it("a round plans only the ticks that were not sent", () => {
    const timer = fresh({ cron: "30 */4 * * * *", scheduledUpTo: at("08:04:30") });
    expect(timesOf(planTicks(timer, START))).toEqual(["08:08:30"]);
    expect(planTicks({ ...timer, scheduledUpTo: at("08:08:30") }, START)).toBeUndefined();
  });

  it("a paused timer has no ticks", () => {
    expect(planTicks(fresh({ pausedAt: START, pausedBy: "Ada" }), START)).toBeUndefined();
  });

  it("ticks begin when the timer was registered, changed or resumed", () => {
    const resumed = fresh({ scheduledUpTo: at("07:00:00"), cron: "0 */5 * * * *", misfire: { all: 100 } });
    expect(timesOf(planTicks(resumed, at("08:00:20")))).toEqual(["08:05:00", "08:10:00"]);
  });

  it("a round plans a bounded number of ticks, and the next one goes on there", () => {
    const timer = fresh({ cron: "* * * * * *" });
    const first = planTicks(timer, START);
    expect(first?.ticks).toHaveLength(TICKS_PER_ROUND_MAX);
    const second = planTicks({ ...timer, scheduledUpTo: first!.scheduledUpTo }, START);
    expect(second?.ticks[0]?.enqueueAt.getTime()).toBe(first!.scheduledUpTo.getTime() + 1_000);
  });
});

describe("ticks that nobody has sent in time", () => {
  it.each([
    ["once", ["09:49:00"]],
    ["skip", ["09:49:00"]],
    [{ all: 3 }, ["09:47:00", "09:48:00", "09:49:00"]],
  ] as const)("are sent as misfire %j wants it, those of the last minutes all", (misfire, long) => {
    const plan = planTicks(fresh({ misfire }), at("10:00:00"));
    const recent = Array.from({ length: 21 }, (_, i) => new Date(at("09:50:00").getTime() + i * MINUTE_MS));
    expect(timesOf(plan)).toEqual([...long, ...recent.map((time) => time.toISOString().slice(11, 19))]);
  });

  it("late ticks within a longer grace are sent", () => {
    const plan = planTicks(fresh({ graceMs: 30 * MINUTE_MS, cron: "0 */10 * * * *" }), at("10:00:00"));
    expect(timesOf(plan)).toEqual(["09:20:00", "09:30:00", "09:40:00", "09:50:00", "10:00:00", "10:10:00"]);
  });

  it("late ticks within the installation's horizon are sent", () => {
    const timer = fresh({ graceMs: 5_000, cron: "0 * * * * *" });
    const plan = planTicks(timer, at("08:10:00"), 4 * MINUTE_MS);
    // One for all that are past by more than the horizon, and those around it.
    const recent = ["08:06:00", "08:07:00", "08:08:00", "08:09:00", "08:10:00"];
    expect(timesOf(plan)).toEqual(["08:05:00", ...recent, "08:11:00", "08:12:00", "08:13:00", "08:14:00"]);
  });

  it("late ticks leave room for the ticks ahead", () => {
    const timer = fresh({ cron: "* * * * * *", misfire: { all: MISFIRE_ALL_MAX } });
    const plan = planTicks(timer, at("20:00:00"));
    expect(plan?.ticks).toHaveLength(TICKS_PER_ROUND_MAX);
    expect(timesOf(plan)[MISFIRE_ALL_MAX - 1]).toBe("19:49:59");
    expect(timesOf(plan)[MISFIRE_ALL_MAX]).toBe("19:50:00");
  });
});

// --- Any number of schedulers, with clocks of their own, that end anywhere ---------------------------------------------

/** One scheduler's work on the one timer, step by step. */
interface Hand {
  readonly skewMs: number;
  readonly etag: number;
  readonly plan: TickPlan | undefined;
  readonly sent: boolean;
}

type Step =
  | { readonly kind: "read" | "send" | "write" | "die"; readonly who: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "pause" | "resume" }
  | { readonly kind: "change"; readonly cron: string };

const CRONS = ["00:00:25", "00:00:40", "*/30 * * * * *", "0 * * * * *", "15,45 */2 * * * *", "0 0 3 * * *"];
const MAX_SKEW_MS = 4 * MINUTE_MS;
/** A whole round comes at least so often. */
const GAP_MS = 2 * MINUTE_MS;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("read", "send", "write", "die"), who: fc.nat(2) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.integer({ min: 1, max: GAP_MS }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("pause", "resume") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("change"), cron: fc.constantFrom(...CRONS) }) },
);

interface Life {
  readonly timer: Timer;
  readonly from: number;
  readonly to: number;
}

/** Plays the steps; whoever holds the row's version writes it. */
function play(first: Timer, skews: readonly number[], steps: readonly Step[]) {
  let timer = first;
  let etag = 0;
  let now = START.getTime();
  let lastRound = now;
  /** When the timer was to tick, and by which schedule. */
  const lives: Life[] = [];
  let lifeFrom: number | undefined = now;
  const sent = new Map<string, OutgoingTick>();
  const hands: (Hand | undefined)[] = skews.map(() => undefined);

  const read = (who: number): Hand => {
    const skewMs = skews[who]!;
    return { skewMs, etag, plan: planTicks(timer, new Date(now + skewMs)), sent: false };
  };
  const send = (hand: Hand): void => {
    for (const tick of hand.plan?.ticks ?? []) {
      const same = sent.get(tick.messageId);
      if (same !== undefined) expect(tick).toEqual(same);
      sent.set(tick.messageId, tick);
    }
  };
  const write = (hand: Hand): void => {
    if (hand.plan === undefined || hand.etag !== etag) return;
    expect(hand.plan.scheduledUpTo > timer.scheduledUpTo).toBe(true);
    timer = { ...timer, scheduledUpTo: hand.plan.scheduledUpTo };
    etag++;
  };
  const wholeRound = (who: number): void => {
    const hand = read(who);
    send(hand);
    write(hand);
    lastRound = now;
  };
  const endLife = (): void => {
    if (lifeFrom !== undefined) lives.push({ timer, from: lifeFrom, to: now });
  };
  const change = (fields: Partial<Timer>): void => {
    endLife();
    timer = { ...timer, ...fields };
    etag++;
    lifeFrom = timer.pausedAt === undefined ? now : undefined;
    wholeRound(index % skews.length);
  };

  let index = 0;
  // Whoever registers, changes or resumes a timer wakes a scheduler.
  wholeRound(0);
  for (const one of steps) {
    index++;
    switch (one.kind) {
      case "read":
        hands[one.who] = read(one.who);
        break;
      case "send": {
        const hand = hands[one.who];
        if (hand === undefined || hand.sent) break;
        send(hand);
        hands[one.who] = { ...hand, sent: true };
        break;
      }
      case "write": {
        const hand = hands[one.who];
        if (hand?.sent === true) write(hand);
        hands[one.who] = undefined;
        break;
      }
      case "die":
        hands[one.who] = undefined;
        break;
      case "pass":
        now += one.ms;
        if (now - lastRound >= GAP_MS) wholeRound(index % skews.length);
        break;
      case "pause":
        if (timer.pausedAt === undefined) change({ pausedAt: new Date(now), pausedBy: "Ada" });
        break;
      case "resume":
        if (timer.pausedAt !== undefined)
          change({ pausedAt: undefined, pausedBy: undefined, activeFrom: new Date(now) });
        break;
      case "change":
        if (one.cron !== timer.cron)
          change({ cron: one.cron, activeFrom: new Date(now), scheduledUpTo: new Date(now) });
    }
  }
  wholeRound(0);
  endLife();
  return { sent: [...sent.values()], lives, now };
}

const due = ({ timer, from, to }: Life): readonly string[] =>
  ticksBetween(parseSchedule(timer), new Date(from), new Date(to), Infinity).map((time) =>
    [scheduleHashOf(timer), time.toISOString()].join(),
  );

describe("all that any schedulers send", () => {
  const world = {
    skews: fc.array(fc.integer({ min: -MAX_SKEW_MS, max: MAX_SKEW_MS }), { minLength: 1, maxLength: 3 }),
    cron: fc.constantFrom(...CRONS),
    misfire: fc.constantFrom<Timer["misfire"]>("once", "skip", { all: 2 }),
    graceMs: fc.constantFrom(0, MINUTE_MS, 60 * MINUTE_MS),
    steps: fc.array(step, { minLength: 40, maxLength: 100, size: "max" }),
  };

  it("any schedulers send every due tick and none from before the timer began", () => {
    let lastsLong = 0;
    fc.assert(
      fc.property(fc.record(world), ({ skews, steps, ...fields }) => {
        const three = [0, 1, 2].map((who) => skews[who] ?? 0);
        const { sent, lives, now } = play(fresh(fields), three, steps);
        if (now - START.getTime() > 2 * TICK_HORIZON_MS) lastsLong++;
        const names = new Set(sent.map(({ tick }) => [tick.scheduleHash, tick.scheduledAt].join()));
        expect(names.size).toBe(sent.length);
        expect(lives.flatMap(due).filter((name) => !names.has(name))).toEqual([]);

        // What was sent and is not due: ahead of now, or of a time in which the timer had been paused or changed by then.
        for (const { tick, enqueueAt } of sent) {
          expect(enqueueAt.toISOString()).toBe(tick.scheduledAt);
          const time = enqueueAt.getTime();
          const ofSchedule = lives.filter(({ timer }) => scheduleHashOf(timer) === tick.scheduleHash);
          const [began] = ofSchedule;
          expect(began !== undefined && time > began.from).toBe(true);
          expect(due({ timer: began!.timer, from: time - 1, to: time })).toHaveLength(1);
          expect(time).toBeLessThanOrEqual(now + MAX_SKEW_MS + TICK_HORIZON_MS);
        }
      }),
      { numRuns: 100 },
    );
    expect(lastsLong).toBeGreaterThan(20);
  });

  it("no tick of a pause is sent, however the timer is resumed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), fc.constantFrom(...CRONS), (minutes, cron) => {
        const resumedAt = new Date(START.getTime() + minutes * MINUTE_MS);
        const timer = fresh({ cron, activeFrom: resumedAt, misfire: { all: 100 } });
        const plan = planTicks(timer, new Date(resumedAt.getTime() + MINUTE_MS));
        expect(plan?.ticks.every(({ enqueueAt }) => enqueueAt > resumedAt) ?? true).toBe(true);
      }),
    );
  });
});

describe("times that cannot be true by this clock", () => {
  it("impossible times in the row do not stop the next ticks", () => {
    const ahead = fresh({ cron: "0 */5 * * * *", scheduledUpTo: at("11:10:00") });
    expect(timesOf(planTicks(ahead, at("08:01:00")))).toEqual(["08:05:00", "08:10:00"]);
    const activeAhead = fresh({ cron: "0 */5 * * * *", activeFrom: at("11:00:00"), scheduledUpTo: at("11:10:00") });
    const plan = planTicks(activeAhead, at("08:01:00"));
    expect(timesOf(plan)).toEqual(["08:05:00", "08:10:00"]);
    expect(plan?.activeFrom).toEqual(at("08:01:00"));
  });

  it("a clock within the allowed skew leaves no tick out, even with the shortest horizon", () => {
    const timer = fresh({ cron: "*/30 * * * * *", graceMs: 0, scheduledUpTo: START });
    const plan = planTicks(timer, new Date(START.getTime() + CLOCK_SKEW_MAX_MS), TICK_HORIZON_MIN_MS);
    expect(timesOf(plan).slice(0, 2)).toEqual(["08:00:30", "08:01:00"]);
    expect(plan?.ticks).toHaveLength(7);
  });
});
