import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decideStanding,
  decideWake,
  isPlaceOver,
  type KnownRow,
  type LineView,
  type Place,
  PLACES_REMOVED_MAX,
} from "../../../../runtime/core/admission/line.ts";

const states = fc.constantFrom("queued", "running", "succeeded", "failed", "canceled");
const row: fc.Arbitrary<KnownRow> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ state: states, ring: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.constant("absent" as const) },
);
const ME = { jobId: "me", ring: 2 };

interface World {
  readonly places: readonly Place[];
  readonly rows: Readonly<Record<string, KnownRow>>;
}

/** A line of up to 60 places; mine is in it or not. */
const worlds: fc.Arbitrary<World> = fc
  .array(fc.record({ row, ring: fc.integer({ min: 1, max: 3 }), waits: fc.boolean() }), { maxLength: 60 })
  .chain((others) => fc.record({ others: fc.constant(others), at: fc.integer({ min: -1, max: others.length }) }))
  .map(({ others, at }) => {
    const all: Omit<Place, "ticket">[] = others.map(({ ring, waits }, n) => ({ jobId: `job-${n}`, ring, waits }));
    if (at >= 0) all.splice(at, 0, { ...ME, waits: true });
    return {
      places: all.map((place, index) => ({ ...place, ticket: index + 1 })),
      rows: Object.fromEntries(others.map((other, n) => [`job-${n}`, other.row])),
    };
  });

const aliveIn = ({ places, rows }: World) =>
  places.filter((place) => place.jobId === "me" || !isPlaceOver(place, rows[place.jobId]!));

/** Decides as lifecycle/limits does, with pages of `page` places. */
function decide<T extends { readonly action: string }>(
  world: World,
  max: number,
  page: number,
  step: (line: LineView, known: (id: string) => KnownRow | undefined, own: Place | null | undefined) => T,
): { readonly decision: T; readonly looked: number; readonly removed: readonly Place[] } {
  let { places } = world;
  let count = page;
  let own: Place | null | undefined;
  const removed: Place[] = [];
  const known = new Map<string, KnownRow>();
  let looked = 0;
  for (;;) {
    const line = { max, places: places.slice(0, count), isWhole: places.length <= count };
    const decision = step(line, (id) => known.get(id), own);
    const needed = decision as unknown as { action: string; jobIds: string[]; over: Place[] };
    if (needed.action === "look") {
      for (const id of needed.jobIds) known.set(id, world.rows[id]!);
      looked += needed.jobIds.length;
    } else if (needed.action === "read-on") {
      expect(line.isWhole).toBe(false);
      count *= 2;
    } else if (needed.action === "clear") {
      removed.push(...needed.over);
      places = places.filter((place) => !needed.over.includes(place));
    } else if (needed.action === "find-own") {
      own = places.find(({ jobId }) => jobId === "me") ?? null;
    } else return { decision, looked, removed };
  }
}

const cases = [worlds, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 })] as const;

describe("standing in a line", () => {
  it("passes if, and only if, fewer than may run at once stand before and are not over", () => {
    fc.assert(
      fc.property(...cases, (world, max, page) => {
        const { decision, removed } = decide(world, max, page, (line, known, own) =>
          decideStanding(line, { ...ME, own }, known),
        );
        const alive = aliveIn(world);
        const at = alive.findIndex(({ jobId }) => jobId === "me");
        const hasRoom = (at < 0 ? alive.length : at) < max;
        const isIn = at >= 0;
        const expected = isIn ? (hasRoom ? "pass" : "wait") : "join";
        expect(decision.action).toBe(expected);
        const gone = decision.action === "join" ? [...removed, ...decision.over] : removed;
        if (decision.action === "join") expect(decision.passes).toBe(hasRoom);
        // R26: only what is over, and no more than fits into a transaction.
        for (const place of gone) expect(isPlaceOver(place, world.rows[place.jobId]!)).toBe(true);
        if (decision.action === "join") expect(decision.over.length).toBeLessThan(PLACES_REMOVED_MAX);
      }),
    );
  });

  it("reads no row while the line is shorter than the limit", () => {
    const places = [1, 2].map((ticket) => ({ ticket, jobId: `job-${ticket}`, ring: 1, waits: false }));
    const decision = decideStanding({ max: 3, places, isWhole: true }, ME, () => undefined);
    expect(decision).toEqual({ action: "join", passes: true, over: [] });
  });

  it("does not take a place of a later ring of the same job for one that is over", () => {
    const places = [{ ticket: 1, jobId: "me", ring: 3, waits: false }];
    expect(decideStanding({ max: 1, places, isWhole: true }, ME, () => undefined)).toMatchObject({ passes: false });
  });
});

describe("a place", () => {
  it("is over for ever once it is over", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.constantFrom("end", "retry", "requeue", "start")),
        (ring, steps) => {
          let now: { state: "queued" | "running" | "succeeded"; ring: number } = { state: "queued", ring: 1 };
          let wasOver = false;
          for (const step of steps) {
            const isEnded = now.state === "succeeded";
            if (step === "end" && !isEnded) now = { ...now, state: "succeeded" };
            if (step === "start" && !isEnded) now = { ...now, state: "running" };
            if ((step === "retry" && !isEnded) || (step === "requeue" && isEnded))
              now = { state: "queued", ring: now.ring + 1 };
            const isOver = isPlaceOver({ ring }, now);
            expect(wasOver && !isOver).toBe(false);
            wasOver = isOver;
          }
        },
      ),
    );
  });
});

describe("waking a line", () => {
  it("rings for each that waits in the front and is queued, and for no other", () => {
    fc.assert(
      fc.property(...cases, (world, max, page) => {
        const rows: World["rows"] = { ...world.rows, me: { state: "queued", ring: 2 } };
        const { decision } = decide({ ...world, rows }, max, page, (line, known) => decideWake(line, known));
        const front = aliveIn({ ...world, rows }).slice(0, max);
        const wanted = front.filter(({ jobId, ring, waits }) => {
          const known = rows[jobId]!;
          return waits && known !== "absent" && known.state === "queued" && known.ring === ring;
        });
        expect(decision.action === "ring" && decision.places).toEqual(wanted);
      }),
    );
  });

  it("reads no row where nobody waits", () => {
    const places = [1, 2].map((ticket) => ({ ticket, jobId: `job-${ticket}`, ring: 1, waits: false }));
    expect(decideWake({ max: 2, places, isWhole: true }, () => undefined)).toMatchObject({
      places: [],
      readAgain: false,
    });
  });
});
