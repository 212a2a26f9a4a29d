import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChangeAnswer } from "../../../../runtime/core/ports/machine.ts";
import {
  advance,
  isProtected,
  PROTECTION_AT_START,
  wakeAt,
  type Protection,
  type ProtectionInput,
  type ProtectionLimits,
} from "../../../../runtime/worker/machine/scale-in-protection.ts";

const limits: ProtectionLimits = {
  idleGraceMs: 300_000,
  changesMax: 3,
  windowMs: 60_000,
  retryFirstMs: 5_000,
  retryLongestMs: 60_000,
};
const DONE: ProtectionInput = { kind: "answered", answer: { kind: "done" } };
const failed = (why: "conflict" | "throttled" | "denied" | "unanswered", retryAfterMs?: number): ProtectionInput => ({
  kind: "answered",
  answer: { kind: "failed", why, retryAfterMs },
});
const GONE: ProtectionInput = { kind: "answered", answer: { kind: "gone" } };

/** A machine from its start, with a clock the test moves and a list of what was asked for. */
function machine() {
  let state = PROTECTION_AT_START;
  let now = 0;
  const asked: { at: number; protect: boolean }[] = [];
  const hear = (input: ProtectionInput): Protection => {
    const step = advance(state, input, now, limits);
    state = step.state;
    if (step.request !== undefined) asked.push({ at: now, protect: step.request });
    return state;
  };
  return {
    hear,
    asked,
    get state() {
      return state;
    },
    after: (ms: number): Protection => {
      now += ms;
      return hear({ kind: "clock" });
    },
  };
}

/** As it is after its start, protected and without work. */
function protectedMachine() {
  const one = machine();
  one.hear({ kind: "clock" });
  one.hear(DONE);
  return one;
}

describe("protection from scale-in", () => {
  it("protection is requested at the start, kept through work and grace, and then given up", () => {
    const one = machine();
    expect(one.hear({ kind: "clock" }).phase).toBe("protecting");
    expect(one.hear(DONE).phase).toBe("protected-idle");
    expect(one.hear({ kind: "work" }).phase).toBe("protected-busy");
    expect(one.after(10 * limits.idleGraceMs).phase).toBe("protected-busy");
    expect(one.hear({ kind: "idle" }).phase).toBe("protected-idle");
    expect(one.after(limits.idleGraceMs - 1).phase).toBe("protected-idle");
    expect(one.after(1).phase).toBe("unprotecting");
    expect(one.hear(DONE).phase).toBe("unprotected");
    expect(one.asked.map(({ protect }) => protect)).toEqual([true, false]);
  });

  it("protection is requested again when work comes", () => {
    const one = protectedMachine();
    one.after(limits.idleGraceMs);
    // One request at a time: two could be carried out in either order.
    expect(one.hear({ kind: "work" }).phase).toBe("unprotecting");
    expect(one.asked).toHaveLength(2);
    expect(one.hear(DONE).phase).toBe("protecting");
    expect(one.asked.at(-1)).toMatchObject({ protect: true });
    expect(one.hear(DONE).phase).toBe("protected-busy");
  });

  it("protection counts as lost when its end was requested and not answered", () => {
    const one = protectedMachine();
    one.after(limits.idleGraceMs);
    one.hear({ kind: "work" });
    expect(one.hear(failed("unanswered")).phase).toBe("protecting");
    expect(isProtected(one.state)).toBe(false);
  });

  it.each([
    ["a conflict", failed("conflict"), 5_000],
    ["throttling that names no time", failed("throttled"), 5_000],
    ["throttling that names a time", failed("throttled", 42_000), 42_000],
    ["a missing right", failed("denied"), 5_000],
    ["silence", failed("unanswered"), 5_000],
  ])("is asked for again after %s, and not before", (_name, answer, waitMs) => {
    const one = machine();
    one.hear({ kind: "clock" });
    one.hear(answer);
    expect(wakeAt(one.state, limits)).toBe(waitMs);
    one.after(waitMs - 1);
    expect(one.asked).toHaveLength(1);
    one.after(1);
    expect(one.asked).toHaveLength(2);
  });

  it("protection is requested less often while it fails, but once a minute at least", () => {
    const one = machine();
    const waits: number[] = [];
    one.hear({ kind: "clock" });
    for (let i = 0, at = 0; i < 7; i++) {
      one.hear(failed("unanswered"));
      const next = wakeAt(one.state, limits)!;
      waits.push(next - at);
      one.after(next - at);
      at = next;
    }
    expect(waits).toEqual([5_000, 10_000, 45_000, 40_000, 60_000, 60_000, 60_000]);
  });

  it("protection ends for good when the instance is gone", () => {
    for (const one of [machine(), protectedMachine()]) {
      one.hear({ kind: "clock" });
      one.after(limits.idleGraceMs);
      one.hear(GONE);
      expect(one.state.phase).toBe("leaving");
      one.hear({ kind: "work" });
      one.after(10 * limits.idleGraceMs);
      expect(one.state.phase).toBe("leaving");
    }
  });
});

// --- Every order of events -------------------------------------------------------------------------------------------

type Event =
  | { readonly kind: "work" | "idle" | "clock" }
  /** The clock goes to the moment the machine waits for. */
  | { readonly kind: "wake" }
  | { readonly kind: "answer"; readonly answer: ChangeAnswer }
  | { readonly kind: "wait"; readonly ms: number };

const failures = (["conflict", "throttled", "denied", "unanswered"] as const).flatMap((why) =>
  [undefined, 0, 20_000].map((retryAfterMs): ChangeAnswer => ({ kind: "failed", why, retryAfterMs })),
);
const event = fc.oneof(
  fc.constantFrom<Event>({ kind: "work" }, { kind: "idle" }, { kind: "clock" }),
  fc.constant<Event>({ kind: "wake" }),
  fc
    .constantFrom<ChangeAnswer>({ kind: "done" }, { kind: "done" }, ...failures)
    .map((answer): Event => ({ kind: "answer", answer })),
  fc.integer({ min: 0, max: 400_000 }).map((ms): Event => ({ kind: "wait", ms })),
);

/**
 * Azure as it may be: it carries a request out at any time between asking and the answer, and an unanswered or refused
 * one perhaps. What it does in the worst case is what the checks assume.
 */
interface World {
  readonly state: Protection;
  readonly now: number;
  /** The request that is out. */
  readonly out: boolean | undefined;
  /** Scale-in could take the machine. */
  readonly maybeUnprotected: boolean;
  readonly requests: readonly number[];
}

const START: World = { state: PROTECTION_AT_START, now: 0, out: undefined, maybeUnprotected: true, requests: [] };

function hear(world: World, input: ProtectionInput): World {
  const { state, request } = advance(world.state, input, world.now, limits);
  if (request !== undefined && world.out !== undefined) throw new Error("Two requests are out.");
  if (request === undefined) return { ...world, state };
  return {
    ...world,
    state,
    out: request,
    maybeUnprotected: world.maybeUnprotected || !request,
    requests: [...world.requests, world.now],
  };
}

function apply(world: World, { ...one }: Event): World {
  switch (one.kind) {
    case "work":
    case "idle":
    case "clock":
      return hear(world, one);
    case "wake": {
      const now = Math.max(world.now, wakeAt(world.state, limits) ?? 0);
      return hear({ ...world, now }, { kind: "clock" });
    }
    case "wait":
      return hear({ ...world, now: world.now + one.ms }, { kind: "clock" });
    case "answer": {
      if (world.out === undefined) return world;
      const maybeUnprotected = world.out && one.answer.kind === "done" ? false : world.maybeUnprotected;
      return hear({ ...world, out: undefined, maybeUnprotected }, { kind: "answered", answer: one.answer });
    }
  }
}

function check(world: World): void {
  // A job may start, and goes on, only while nothing Azure may have done leaves the machine to scale-in.
  if (isProtected(world.state)) expect(world.maybeUnprotected).toBe(false);
  expect(world.state.requested).toBe(world.out !== undefined);
  if (world.out === false) expect(isProtected(world.state)).toBe(false);
  const { requests } = world;
  requests.forEach((at, i) => {
    const fourth = requests[i + limits.changesMax];
    if (fourth !== undefined) expect(fourth - at).toBeGreaterThanOrEqual(limits.windowMs);
  });
}

describe("in any order of work, answers and time, protection", () => {
  it("protection covers every started job with at most three requests a minute, in any order", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let world = hear(START, { kind: "clock" });
        for (const one of events) {
          const before = world;
          world = apply(world, one);
          check(world);
          // While work is there, only its end lets protection go.
          if (before.state.phase === "protected-busy" && one.kind !== "idle") {
            expect(world.state.phase).toBe("protected-busy");
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("protection follows the work once Azure answers, in any order", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.boolean(), (events, busy) => {
        let world = events.reduce(apply, hear(START, { kind: "clock" }));
        world = hear(world, { kind: busy ? "work" : "idle" });
        for (let steps = 0; steps < 12; steps++) {
          if (world.out !== undefined) world = apply(world, { kind: "answer", answer: { kind: "done" } });
          const at = wakeAt(world.state, limits);
          if (at !== undefined) world = apply(world, { kind: "wait", ms: Math.max(0, at - world.now) });
        }
        expect(world.state.phase).toBe(busy ? "protected-busy" : "unprotected");
        expect(wakeAt(world.state, limits)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  it("protection covers every started job in every sequence of six events", () => {
    const kinds: readonly Event[] = [
      { kind: "work" },
      { kind: "idle" },
      { kind: "answer", answer: { kind: "done" } },
      { kind: "answer", answer: { kind: "failed", why: "unanswered", retryAfterMs: undefined } },
      { kind: "wait", ms: limits.idleGraceMs },
    ];
    let sequences = 0;
    const explore = (world: World, depth: number): void => {
      check(world);
      if (depth === 0) {
        sequences++;
        return;
      }
      for (const kind of kinds) explore(apply(world, kind), depth - 1);
    };
    explore(hear(START, { kind: "clock" }), 6);
    expect(sequences).toBe(5 ** 6);
  });
});
