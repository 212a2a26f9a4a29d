import { describe, expect, it } from "vitest";
import type { Claim } from "../../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../../runtime/core/limits.ts";
import {
  decideDeadLetter,
  endingOf,
  decideDelivery,
  type AttemptResult,
  type DeliveryDecision,
} from "../../../../runtime/core/job/protocol.ts";
import { JOB_STATES, isTransitionAllowed, isTerminal } from "../../../../runtime/core/job/states.ts";

const claimOf = (id: string, sequenceNumber: string, queue = "q"): Claim => ({
  id,
  sequenceNumber,
  queue,
  workerId: "w1",
  bootId: "b1",
  since: new Date(0),
});

const MY_CLAIM = "mine";
const ROW_RING = 2;

/** Every combination the table distinguishes. */
const combinations = JOB_STATES.flatMap((state) =>
  [1, 2, 3].flatMap((bellRing) =>
    [true, false].flatMap((mine) =>
      [
        { queue: "q", sequenceNumber: "7" },
        { queue: "q", sequenceNumber: "8" },
        { queue: "other", sequenceNumber: "7" },
      ].flatMap((message) =>
        [true, false].flatMap((cancelWanted) =>
          [0, MAX_INTERRUPTIONS].map((interruptions) => ({
            state,
            bellRing,
            mine,
            message,
            cancelWanted,
            interruptions,
          })),
        ),
      ),
    ),
  ),
);

/** The protocol's table, written a second time and on purpose the other way round: row by row, in its words. */
function tableSays({
  state,
  bellRing,
  mine,
  message,
  cancelWanted,
  interruptions,
}: (typeof combinations)[number]): DeliveryDecision {
  if (state === "running" && mine) return { action: "adopt" };
  if (isTerminal(state)) return { action: "settle-ended", asDeadLetter: state === "failed" && bellRing === ROW_RING };
  if (state === "queued" && bellRing === ROW_RING) return { action: "claim" };
  if (state === "queued" && bellRing < ROW_RING) return { action: "ring-again" };
  if (state === "queued") return { action: "set-aside", reason: "RingUnknown" };
  if (message.sequenceNumber !== "7" || message.queue !== "q") return { action: "complete-surplus" };
  if (cancelWanted) return { action: "take-over", as: "canceled" };
  return { action: "take-over", as: interruptions >= MAX_INTERRUPTIONS ? "worker-lost" : "running" };
}

describe("a bell meets a row", () => {
  it(`does what the protocol's table says in all ${combinations.length} cases`, () => {
    for (const combination of combinations) {
      const { state, bellRing, mine, message, cancelWanted, interruptions } = combination;
      const row = {
        state,
        ring: ROW_RING,
        cancelWanted,
        interruptions,
        claim: claimOf(mine ? MY_CLAIM : "theirs", "7"),
      };
      expect(
        decideDelivery(row, { bell: { ring: bellRing }, ...message }, MY_CLAIM),
        JSON.stringify(combination),
      ).toEqual(tableSays(combination));
    }
  });

  it("a bell without a row is dead-lettered", () => {
    const decision = decideDelivery(undefined, { bell: { ring: 1 }, queue: "q", sequenceNumber: "1" }, MY_CLAIM);
    expect(decision).toEqual({ action: "set-aside", reason: "JobNotFound" });
  });

  it("a bell without a claim of its own never takes another claim for its own", () => {
    const row = { state: "running", ring: 1, cancelWanted: false, interruptions: 0, claim: undefined } as const;
    const decision = decideDelivery(row, { bell: { ring: 1 }, queue: "q", sequenceNumber: "1" }, undefined);
    expect(decision).toEqual({ action: "complete-surplus" });
  });
});

const results: readonly AttemptResult[] = [
  { kind: "succeeded" },
  { kind: "canceled" },
  { kind: "interrupted" },
  { kind: "failed", retryable: true },
  { kind: "failed", retryable: false },
];

const endings = results.flatMap((result) =>
  [true, false].flatMap((cancelWanted) =>
    [0, 1, 2, 3].flatMap((attempts) =>
      [0, MAX_INTERRUPTIONS - 1, MAX_INTERRUPTIONS].flatMap((interruptions) =>
        [1, 3].map((maxAttempts) => ({ result, cancelWanted, attempts, interruptions, maxAttempts })),
      ),
    ),
  ),
);

describe("the end of an attempt", () => {
  it("the end of an attempt is always a legal transition, and its bell action fits the state", () => {
    for (const facts of endings) {
      const ending = endingOf(facts);
      expect(isTransitionAllowed("running", ending.to)).toBe(true);
      expect(ending.bell).toBe(
        ending.to === "queued" ? "send-next-then-complete" : ending.to === "failed" ? "dead-letter" : "complete",
      );
    }
  });

  it("the end of an attempt keeps a success; a wanted cancel wins over everything else", () => {
    for (const facts of endings.filter(({ cancelWanted }) => cancelWanted)) {
      expect(endingOf(facts).to).toBe(facts.result.kind === "succeeded" ? "succeeded" : "canceled");
    }
  });

  it("a failure is retried exactly while attempts are left and another one can help", () => {
    for (const facts of endings.filter(({ result, cancelWanted }) => result.kind === "failed" && !cancelWanted)) {
      const another =
        facts.result.kind === "failed" && facts.result.retryable && facts.attempts + 1 < facts.maxAttempts;
      expect(endingOf(facts)).toEqual(
        another
          ? { to: "queued", counts: "attempts", bell: "send-next-then-complete" }
          : { to: "failed", bell: "dead-letter" },
      );
    }
  });

  it("an interruption is never counted as an attempt, and too many of them end the job", () => {
    for (const facts of endings.filter(({ result, cancelWanted }) => result.kind === "interrupted" && !cancelWanted)) {
      const ending = endingOf(facts);
      if (facts.interruptions >= MAX_INTERRUPTIONS) expect(ending.to).toBe("failed");
      else expect(ending).toMatchObject({ to: "queued", counts: "interruptions" });
    }
  });
});

describe("decideDeadLetter", () => {
  const cases = JOB_STATES.flatMap((state) => [1, 2, 3].map((letterRing) => ({ state, letterRing })));

  it("a dead letter is evidence about its own ring only, and never against a running row", () => {
    for (const { state, letterRing } of cases) {
      const { action } = decideDeadLetter({ state, ring: 2 }, { ring: letterRing });
      const expected = {
        queued: letterRing < 2 ? "ring-then-remove" : letterRing === 2 ? "hand-back-then-remove" : "keep",
        running: "wait",
        succeeded: "remove",
        canceled: "remove",
        failed: letterRing === 2 ? "keep" : "remove",
      }[state];
      expect(action, `${state} at ring 2, letter ${letterRing}`).toBe(expected);
    }
  });

  it("a dead letter without a row is kept", () => {
    expect(decideDeadLetter(undefined, { ring: 1 }).action).toBe("keep");
  });
});
