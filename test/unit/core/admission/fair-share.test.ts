/** Shares of a queue: what the pure decision promises, and a simulated queue that lives by it, round by round. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BELLS_PER_SLOT_MAX,
  type Departure,
  QUICK_ROUND_MS,
  ROUND_MS,
  WINDOW_MIN,
  isDraining,
  lately,
  leftLately,
  roomsOf,
  startBoundMs,
  windowOf,
} from "../../../../runtime/core/admission/fair-share.ts";
import { breadth } from "../../../support/breadth.ts";

const NUM_RUNS = breadth(150, 5_000);

describe("the window of a queue", () => {
  it("counts the bells that left within the last ROUND_MS, and those of the last round however long it was", () => {
    const long = { from: 0, to: 1_000, count: 7 };
    expect(leftLately(lately([long]))).toBe(7);
    const quick = [1_000, 1_060, 1_120, 1_180, 1_240].map((from) => ({ from, to: from + 60, count: 1 }));
    expect(leftLately(lately([long, ...quick]))).toBe(4);
    expect(lately([long, ...quick])).toEqual(quick.slice(1));
    expect(leftLately(lately([]))).toBe(0);
  });

  it("drains when it has fewer bells than slots", () => {
    expect(isDraining({ slots: 4, bells: new Map([["a", 3]]) })).toBe(true);
    expect(
      isDraining({
        slots: 4,
        bells: new Map([
          ["a", 2],
          ["b", 2],
        ]),
      }),
    ).toBe(false);
    expect(isDraining({ slots: 0, bells: new Map() })).toBe(false);
  });

  it("holds two bells for each slot, and more only while jobs are shorter than a round", () => {
    expect(windowOf({ slots: 0, leftLately: 0 })).toBe(WINDOW_MIN);
    expect(windowOf({ slots: 100, leftLately: 100 })).toBe(200);
    expect(windowOf({ slots: 100, leftLately: 101 })).toBe(404);
    expect(windowOf({ slots: 100, leftLately: 1_000_000 })).toBe(BELLS_PER_SLOT_MAX * 100);
  });
});

const tenants = fc.uniqueArray(fc.constantFrom<string[]>("a", "b", "c", "d", "e", "f", "g", "h"), {
  minLength: 1,
  maxLength: 8,
});
const loads = fc.record({
  slots: fc.integer({ min: 0, max: 40 }),
  leftLately: fc.integer({ min: 0, max: 200 }),
  names: tenants,
  bells: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 8, maxLength: 8 }),
  weights: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 8, maxLength: 8 }),
  waits: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
});

describe("the room of tenants", () => {
  it("no tenant that waits is left without a bell, and rooms stay within the window", () => {
    fc.assert(
      fc.property(loads, ({ slots, leftLately, names, bells: counts, weights, waits }) => {
        const bells = new Map(names.map((name, i) => [name, counts[i] ?? 0]));
        const waiting = new Set(names.filter((_, i) => waits[i]));
        const weightOf = (name: string): number => weights[names.indexOf(name)] ?? 1;
        const rooms = roomsOf({ slots, bells, leftLately }, { waiting, weightOf });
        const window = windowOf({ slots, leftLately });
        for (const name of waiting) expect((rooms.get(name) ?? 0) + (bells.get(name) ?? 0)).toBeGreaterThanOrEqual(1);
        for (const name of rooms.keys()) expect(waiting.has(name)).toBe(true);
        // Each may have one bell more than its share, so that nobody has none.
        const added = [...rooms.values()].reduce((sum, room) => sum + room, 0);
        expect(added).toBeLessThanOrEqual(window + names.length);
        for (const [a, room] of rooms) {
          const share = Math.floor((window * weightOf(a)) / names.reduce((sum, name) => sum + weightOf(name), 0));
          expect(room + (bells.get(a) ?? 0)).toBeGreaterThanOrEqual(share);
        }
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it("what a tenant does not need of its share goes to the others", () => {
    const load = { slots: 50, bells: new Map([["few", 2]]), leftLately: 0 };
    const rooms = roomsOf(load, { waiting: new Set(["many"]), weightOf: () => 1 });
    expect(rooms.get("many")).toBe(98);
    const weighted = roomsOf(
      { ...load, bells: new Map() },
      {
        waiting: new Set(["a", "b"]),
        weightOf: (name) => (name === "a" ? 3 : 1),
      },
    );
    expect([weighted.get("a"), weighted.get("b")]).toEqual([75, 25]);
  });
});

// --- A queue that lives by it ------------------------------------------------------------------------------------------

interface Flood {
  readonly tenant: string;
  readonly at: number;
  readonly jobs: number;
}

interface Simulation {
  readonly slots: number;
  readonly floods: readonly Flood[];
  readonly weightOf: (tenant: string) => number;
  readonly jobMs: () => number;
  readonly untilMs: number;
}

interface Outcome {
  readonly firstStart: ReadonlyMap<string, number>;
  readonly started: ReadonlyMap<string, number>;
  /** Slots that had no bell while jobs waited, in slot milliseconds. */
  readonly idleMs: number;
}

/** Submits ring up to their room, rounds refill; slots take the oldest bell. */
function simulate({ slots, floods, weightOf, jobMs, untilMs }: Simulation): Outcome {
  const coming = floods.toSorted((a, b) => a.at - b.at);
  const queue: string[] = [];
  const running: { readonly tenant: string; readonly endsAt: number }[] = [];
  const waiting = new Map<string, number>();
  const firstStart = new Map<string, number>();
  const started = new Map<string, number>();
  let [now, nextRound, lastRound, leftCount, idleMs] = [0, ROUND_MS, 0, 0, 0];
  let departures: readonly Departure[] = [];
  const bells = (): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const tenant of [...queue, ...running.map((one) => one.tenant)]) {
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    }
    return counts;
  };
  const ring = (tenant: string, room: number): void => {
    const count = Math.min(room, waiting.get(tenant) ?? 0);
    queue.push(...Array<string>(count).fill(tenant));
    waiting.set(tenant, (waiting.get(tenant) ?? 0) - count);
  };
  const waitingTenants = (): Set<string> => new Set([...waiting].filter(([, n]) => n > 0).map(([tenant]) => tenant));
  while (now < untilMs) {
    const next = Math.min(nextRound, coming[0]?.at ?? Infinity, ...running.map(({ endsAt }) => endsAt));
    if (queue.length === 0 && waitingTenants().size > 0) idleMs += (next - now) * (slots - running.length);
    now = next;
    for (let flood = coming[0]; flood !== undefined && flood.at <= now; flood = coming[0]) {
      coming.shift();
      const { tenant, jobs } = flood;
      waiting.set(tenant, (waiting.get(tenant) ?? 0) + jobs);
      const rooms = roomsOf({ slots, bells: bells(), leftLately: 0 }, { waiting: waitingTenants(), weightOf });
      ring(tenant, rooms.get(tenant) ?? 0);
    }
    for (let i = running.length - 1; i >= 0; i--) {
      if ((running[i]?.endsAt ?? Infinity) > now) continue;
      running.splice(i, 1);
      leftCount++;
    }
    if (now >= nextRound) {
      departures = lately([...departures, { from: lastRound, to: now, count: leftCount }]);
      const load = { slots, bells: bells(), leftLately: leftLately(departures) };
      const rooms = roomsOf(load, { waiting: waitingTenants(), weightOf });
      nextRound = now + (isDraining(load) ? QUICK_ROUND_MS : ROUND_MS);
      [lastRound, leftCount] = [now, 0];
      for (const [tenant, room] of rooms) ring(tenant, room);
    }
    while (running.length < slots) {
      const tenant = queue.shift();
      if (tenant === undefined) break;
      running.push({ tenant, endsAt: now + jobMs() });
      started.set(tenant, (started.get(tenant) ?? 0) + 1);
      if (!firstStart.has(tenant)) firstStart.set(tenant, now);
    }
  }
  return { firstStart, started, idleMs };
}

const MANY = 100_000;

describe("a queue with shares", () => {
  it("a newly arrived tenant starts within the bound, however long the queues of others are", () => {
    fc.assert(
      fc.property(
        fc.record({
          slots: fc.integer({ min: 1, max: 24 }),
          others: fc.integer({ min: 1, max: 12 }),
          longestMs: fc.integer({ min: 2 * ROUND_MS, max: 10_000 }),
          shortShare: fc.double({ min: 0, max: 1, noNaN: true }),
          arrivesAt: fc.integer({ min: 0, max: 20_000 }),
          weight: fc.integer({ min: 1, max: 100 }),
          seed: fc.integer({ min: 1, max: 1_000_000 }),
        }),
        ({ slots, others, longestMs, shortShare, arrivesAt, weight, seed }) => {
          let state = seed;
          const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
          const floods = Array.from({ length: others }, (_, i) => ({
            tenant: `t${i}`,
            at: Math.floor((arrivesAt * i) / others),
            jobs: MANY,
          }));
          const bound = startBoundMs(slots, others + 1, longestMs) + ROUND_MS;
          const { firstStart } = simulate({
            slots,
            floods: [...floods, { tenant: "new", at: arrivesAt, jobs: 10 }],
            weightOf: (tenant) => (tenant === "new" ? 1 : weight),
            // Never shorter than a round: that is what the bound asks for.
            jobMs: () => (random() < shortShare ? ROUND_MS : longestMs),
            untilMs: arrivesAt + bound,
          });
          expect((firstStart.get("new") ?? Infinity) - arrivesAt).toBeLessThanOrEqual(bound);
        },
      ),
      { numRuns: breadth(60, 2_000) },
    );
  });

  it("tenants with work get slots by their weights, and no slot is idle while jobs wait", () => {
    const { started, idleMs } = simulate({
      slots: 8,
      floods: ["a", "b", "c"].map((tenant) => ({ tenant, at: 0, jobs: MANY })),
      weightOf: (tenant) => (tenant === "a" ? 2 : 1),
      jobMs: () => 1_000,
      untilMs: 200_000,
    });
    const [a = 0, b = 0, c = 0] = ["a", "b", "c"].map((tenant) => started.get(tenant));
    expect(a / (a + b + c)).toBeCloseTo(0.5, 1);
    expect(b / (a + b + c)).toBeCloseTo(0.25, 1);
    expect(idleMs).toBe(0);
  });

  it("a burst of short jobs has all slots soon", () => {
    const [slots, jobMs, jobs] = [4, 30, 200];
    const floods = [{ tenant: "a", at: 0, jobs }];
    const { started } = simulate({ slots, floods, weightOf: () => 1, jobMs: () => jobMs, untilMs: 2_000 });
    // 1.5 seconds of work.
    expect(started.get("a")).toBe(jobs);
  });

  it("short jobs of one tenant use nearly all of the slots", () => {
    const slots = 8;
    const jobMs = 30;
    const untilMs = 20_000;
    const floods = [{ tenant: "a", at: 0, jobs: MANY }];
    const { started } = simulate({ slots, floods, weightOf: () => 1, jobMs: () => jobMs, untilMs });
    expect((started.get("a") ?? 0) / ((slots * untilMs) / jobMs)).toBeGreaterThan(0.95);
  });
});
