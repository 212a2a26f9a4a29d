import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import { TICK_HORIZON_MS } from "../../../../runtime/core/limits.ts";
import { createServiceClock } from "../../../../runtime/core/service-clock.ts";
import type { OutgoingTick } from "../../../../runtime/core/timer/tick.ts";
import type { Timer } from "../../../../runtime/core/timer/timer.ts";
import { createRound, startScheduler, type SchedulerDeps } from "../../../../runtime/timers/schedule/scheduler.ts";
import { timerOf } from "../../../support/builders.ts";
import { createMemoryTimers } from "../../../support/stores/held-timers.ts";
import { recordingLog } from "../../../support/recording-log.ts";

const START = new Date("2026-03-01T08:00:00Z");
const away = () => Promise.reject(new UnavailableError("BusUnavailable", "away"));
const GOES_ON = new AbortController().signal;

/** Every minute, ten ticks to the horizon. */
const timer = (timerName: string, fields: Partial<Timer> = {}): Timer =>
  timerOf({ timerName, activeFrom: START, scheduledUpTo: START, ...fields });

function createWorld(...first: readonly Timer[]) {
  const timers = createMemoryTimers();
  for (const one of first) timers.put(one);
  const sent: OutgoingTick[] = [];
  const log = recordingLog();
  /** Resolved to end the pause under way. */
  const pauses: { readonly ms: number; readonly end: () => void }[] = [];
  const world = {
    timers,
    log,
    pauses,
    now: START,
    send: (ticks: readonly OutgoingTick[]): Promise<void> => Promise.resolve(void sent.push(...ticks)),
    write: (...given: Parameters<typeof timers.write>) => timers.write(...given),
    all: (...given: Parameters<typeof timers.all>) => timers.all(...given),
    /** Of each timer, how many were sent. */
    counts: () =>
      Object.fromEntries([...Map.groupBy(sent, ({ tick }) => tick.timerName)].map(([k, v]) => [k, v.length])),
    names: () => new Set(sent.map(({ messageId }) => messageId)),
  };
  const deps: SchedulerDeps = {
    timers: { all: (onUnreadable) => world.all(onUnreadable), write: (...given) => world.write(...given) },
    sender: { send: (ticks) => world.send(ticks) },
    now: () => world.now,
    random: () => 0.5,
    sleep: (ms, signal) =>
      new Promise((end) => {
        pauses.push({ ms, end });
        signal.addEventListener("abort", () => end());
      }),
    log,
  };
  return Object.assign(world, { deps });
}

/** Until the scheduler waits for the nth time. */
async function untilPause(world: ReturnType<typeof createWorld>, count: number): Promise<void> {
  while (world.pauses.length < count) await setImmediate();
}

/** A clock that storage's answers, all of the time START, show to be three hours ahead. */
function wrongClock() {
  const clock = createServiceClock({ now: () => new Date(START.getTime() + 3 * 3_600_000), monotonicNow: () => 0 });
  clock.hear(START.toUTCString());
  return clock;
}

describe("a clock that is wrong", () => {
  it("a scheduler with a wrong clock sends and writes nothing, and another instance goes on", async () => {
    const world = createWorld(timer("A"));
    const scheduler = startScheduler({ ...world.deps, now: wrongClock().trustedNow });
    await untilPause(world, 1);
    await scheduler.stop();
    expect(world.counts()).toEqual({});
    expect(world.timers.row(timer("A"))).toEqual(timer("A"));
    expect(world.log.messages()).toEqual(["ticks could not be sent; trying again"]);
    await createRound(world.deps)(GOES_ON);
    expect(world.counts()).toEqual({ A: 10 });
  });

  it("a row written by a wrong clock is repaired with the first ticks that are sent", async () => {
    const far = new Date(START.getTime() + 365 * 24 * 3_600_000);
    const stopped = timer("A", { activeFrom: far, scheduledUpTo: far });
    const world = createWorld(stopped);
    await createRound(world.deps)(GOES_ON);
    expect(world.counts()).toEqual({ A: 10 });
    const horizon = new Date(START.getTime() + TICK_HORIZON_MS);
    expect(world.timers.row(stopped)).toMatchObject({ activeFrom: START, scheduledUpTo: horizon });
  });

  it("a clock that was set forward and back together with storage's goes on", async () => {
    const world = createWorld(timer("A", { cron: "0 */5 * * * *" }));
    const round = createRound(world.deps);
    await round(GOES_ON);
    world.now = new Date(START.getTime() + 3 * 3_600_000);
    await round(GOES_ON);
    world.now = new Date(START.getTime() + 10 * 60_000);
    await round(GOES_ON);
    const times = [...world.names()].length;
    // Two at first, one for the three hours and those around; and 08:15 and 08:20 after the clock was set back.
    expect(world.timers.row(timer("A")).scheduledUpTo).toEqual(new Date(START.getTime() + 20 * 60_000));
    expect(times).toBeGreaterThanOrEqual(6);
  });
});

describe("a round", () => {
  it("a round sends the ticks of all timers in groups and notes how far", async () => {
    const many = Array.from({ length: 120 }, (_, i) => timer(`T${i}`));
    const world = createWorld(...many);
    await createRound(world.deps)(GOES_ON);
    expect(new Set(Object.values(world.counts()))).toEqual(new Set([10]));
    const horizon = new Date(START.getTime() + TICK_HORIZON_MS);
    expect(many.every((one) => world.timers.row(one).scheduledUpTo.getTime() === horizon.getTime())).toBe(true);
    await createRound(world.deps)(GOES_ON);
    expect(Object.values(world.counts())).toHaveLength(120);
    expect(world.names().size).toBe(1_200);
  });

  it("a round serves the other timers when one cannot be scheduled, and logs that once", async () => {
    const broken = timer("Broken", { cron: "nonsense" });
    const nowhere = timer("Nowhere", { timeZone: "Nowhere/City" });
    const world = createWorld(broken, timer("A"), nowhere, timer("B"));
    const round = createRound(world.deps);
    await round(GOES_ON);
    await round(GOES_ON);
    expect(world.counts()).toEqual({ A: 10, B: 10 });
    expect(world.log.messages()).toHaveLength(2);
    world.timers.put({ ...broken, cron: "more nonsense" });
    await round(GOES_ON);
    expect(world.log.messages()).toHaveLength(3);

    world.timers.spoil(timer("A"));
    await round(GOES_ON);
    await round(GOES_ON);
    expect(world.log.messages()).toHaveLength(4);
  });

  it("a round sends ticks again under the same names when they were not noted", async () => {
    const world = createWorld(timer("A"), timer("B"));
    const { write } = world;
    world.write = (one, etag) =>
      one.timerName === "A" ? Promise.reject(new UnavailableError("StorageUnavailable", "away")) : write(one, etag);
    await createRound(world.deps)(GOES_ON);
    expect(world.timers.row(timer("A")).scheduledUpTo).toEqual(START);
    expect(world.timers.row(timer("B")).scheduledUpTo).not.toEqual(START);
    world.write = write;
    await createRound(world.deps)(GOES_ON);
    expect(world.counts()).toEqual({ A: 20, B: 10 });
    expect(world.names().size).toBe(20);
  });

  it("a round does not overwrite a timer that was changed meanwhile", async () => {
    const world = createWorld(timer("A"));
    const { send } = world;
    world.send = async (ticks) => {
      await send(ticks);
      world.timers.put(timer("A", { pausedAt: START, pausedBy: "Ada" }));
    };
    await createRound(world.deps)(GOES_ON);
    expect(world.timers.row(timer("A"))).toMatchObject({ pausedBy: "Ada", scheduledUpTo: START });
  });

  it("a round notes no ticks that the broker did not accept", async () => {
    const world = createWorld(timer("A"));
    world.send = away;
    await expect(createRound(world.deps)(GOES_ON)).rejects.toThrow("away");
    expect(world.timers.row(timer("A")).scheduledUpTo).toEqual(START);
  });
});

describe("a round over many timers", () => {
  const RARE = { cron: "0 0 0 29 2 SAT", timeZone: "Europe/Vienna" };

  /** How often somebody looked at a schedule. */
  function countLooks(world: ReturnType<typeof createWorld>): () => number {
    let looks = 0;
    const { all } = world;
    world.all = async function* (...given) {
      for await (const { value, etag } of all(...given)) {
        const watched = new Proxy(value, {
          get: (target, key) => {
            if (key === "cron") looks++;
            return Reflect.get(target, key) as unknown;
          },
        });
        yield { value: watched, etag };
      }
    };
    return () => {
      const before = looks;
      looks = 0;
      return before;
    };
  }

  it("a round plans a timer again when its row changed, a tick falls due or the clock was set back", async () => {
    const world = createWorld(timer("Daily", { cron: "0 0 9 * * *" }), timer("Rare", RARE));
    const looks = countLooks(world);
    const round = createRound(world.deps);
    const roundAt = async (time: string): Promise<number> => {
      world.now = new Date(`2026-03-01T${time}Z`);
      await round(GOES_ON);
      return looks();
    };
    expect(await roundAt("08:00:00")).toBeGreaterThan(0);
    expect(await roundAt("08:00:20")).toBe(0);
    expect(await roundAt("08:49:59")).toBe(0);
    world.timers.put(timer("Rare", { ...RARE, pool: "other" }));
    expect(await roundAt("08:49:59")).toBeGreaterThan(0);
    expect(world.counts()).toEqual({});
    // Ten minutes before it is due, and no look at the other.
    expect(await roundAt("08:50:00")).toBeGreaterThan(0);
    expect(world.counts()).toEqual({ Daily: 1 });
    expect(await roundAt("08:50:20")).toBeGreaterThan(0);
    expect(await roundAt("08:50:40")).toBe(0);
    expect(await roundAt("08:30:00")).toBeGreaterThan(0);
    expect(world.counts()).toEqual({ Daily: 1 });
  });

  it("a round plans a timer whose row claims more than can have been sent", async () => {
    const later = new Date(START.getTime() + 3 * 3_600_000);
    const world = createWorld(timer("Hourly", { cron: "0 0 * * * *", scheduledUpTo: later }));
    const looks = countLooks(world);
    const round = createRound(world.deps);
    await round(GOES_ON);
    world.now = new Date("2026-03-01T08:50:00Z");
    looks();
    await round(GOES_ON);
    expect(looks()).toBeGreaterThan(0);
  });

  it("a round yields to other work every few milliseconds", async () => {
    const count = 300;
    const world = createWorld(...Array.from({ length: count }, (_, i) => timer(`T${i}`, RARE)));
    let ms = 0;
    let turns = 0;
    const over = new AbortController();
    const turning = (async () => {
      for (; !over.signal.aborted; turns++) await setImmediate();
    })();
    // Each look takes a millisecond.
    await createRound({ ...world.deps, monotonicNow: () => ms++ })(GOES_ON);
    over.abort();
    await turning;
    expect(turns).toBeGreaterThan(count / 15);
  });

  it("a round sends the ticks of busy timers in parts", async () => {
    const world = createWorld(...Array.from({ length: 50 }, (_, i) => timer(`T${i}`, { cron: "* * * * * *" })));
    const { send } = world;
    const sizes: number[] = [];
    world.send = (ticks) => {
      sizes.push(ticks.length);
      return send(ticks);
    };
    await createRound(world.deps)(GOES_ON);
    expect(sizes).toEqual(Array.from({ length: 10 }, () => 1_000));
  });
});

describe("the scheduler", () => {
  it("the scheduler goes on after an outage of broker or table and misses no tick", async () => {
    const world = createWorld(timer("A"));
    const { send, all } = world;
    world.send = away;
    const scheduler = startScheduler(world.deps);
    await untilPause(world, 1);
    world.send = send;
    world.all = () => {
      throw new UnavailableError("StorageUnavailable", "away");
    };
    world.pauses[0]!.end();
    await untilPause(world, 2);
    world.all = all;
    world.now = new Date(START.getTime() + 5 * 60_000);
    world.pauses[1]!.end();
    await untilPause(world, 3);
    await scheduler.stop();
    expect(world.counts()).toEqual({ A: 15 });
    expect(world.pauses.map(({ ms }) => ms)).toEqual([20_000, 20_000, 20_000]);
    expect(world.log.messages()).toHaveLength(2);
  });

  it("a woken scheduler begins a round at once, or after the one under way", async () => {
    const world = createWorld();
    const scheduler = startScheduler(world.deps);
    await untilPause(world, 1);
    world.timers.put(timer("A"));
    scheduler.wake();
    await untilPause(world, 2);
    expect(world.counts()).toEqual({ A: 10 });

    const { send } = world;
    world.send = async (ticks) => {
      world.send = send;
      // Registered too late for the round that sends this.
      world.timers.put(timer("C"));
      scheduler.wake();
      await send(ticks);
    };
    world.timers.put(timer("B"));
    scheduler.wake();
    await untilPause(world, 3);
    await scheduler.stop();
    expect(world.counts()).toEqual({ A: 10, B: 10, C: 10 });
  });

  it("a stopped scheduler ends the round under way and begins no other", async () => {
    const world = createWorld(timer("A"));
    const begun = Promise.withResolvers<undefined>();
    const sending = Promise.withResolvers<undefined>();
    const { send } = world;
    world.send = async (ticks) => {
      begun.resolve(undefined);
      await sending.promise;
      await send(ticks);
    };
    const scheduler = startScheduler(world.deps);
    await begun.promise;
    const stopped = scheduler.stop();
    scheduler.wake();
    sending.resolve(undefined);
    await stopped;
    expect(world.timers.row(timer("A")).scheduledUpTo).not.toEqual(START);
    expect(world.pauses).toEqual([]);
  });
});
