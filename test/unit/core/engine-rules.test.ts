import { describe, expect, it } from "vitest";
import { cancelOf, requeueOf } from "../../../runtime/core/job/cancel-requeue.ts";
import { isUndecided, provesCompletion, reopenedChanges } from "../../../runtime/core/job/completion.ts";
import { decideDeadLetter } from "../../../runtime/core/job/protocol.ts";
import { handbackOf, isClaimDead } from "../../../runtime/core/job/handback.ts";
import type { Claim } from "../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../runtime/core/limits.ts";
import { isAllowed, isTerminal, JOB_STATES, NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { jobOf } from "../../support/builders.ts";

const NOW = new Date("2026-03-01T09:00:00Z");
const at = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);

describe("a wish to cancel", () => {
  it("ends what is queued, asks for what runs, and leaves what has ended", () => {
    const decisions = JOB_STATES.map((state) => [state, cancelOf({ state, cancelWanted: false }, NOW).action]);
    expect(Object.fromEntries(decisions)).toEqual({
      queued: "end",
      running: "ask",
      succeeded: "too-late",
      failed: "too-late",
      canceled: "none",
    });
    expect(cancelOf({ state: "running", cancelWanted: true }, NOW).action).toBe("none");
  });
});

describe("a requeue", () => {
  it("is for ended jobs only, raises the ring, and starts the counting anew without forgetting", () => {
    for (const state of JOB_STATES) {
      const decision = requeueOf({ state, ring: 4 });
      expect(decision !== undefined).toBe(isTerminal(state));
      if (decision === undefined) continue;
      expect(isAllowed(state, decision.to)).toBe(true);
      expect(decision.changes).toMatchObject({
        ring: 5,
        attempts: 0,
        interruptions: 0,
        cancelWanted: false,
        reopen: true,
      });
      expect(Object.keys(decision.changes)).not.toContain("history");
      expect(Object.keys(decision.changes)).not.toContain("executions");
    }
  });
});

describe("a dead letter meets a row", () => {
  const cases = JOB_STATES.flatMap((state) => [1, 2, 3].map((letterRing) => ({ state, letterRing })));

  it("speaks of its own ring only, and never against a running row", () => {
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

  it("is kept when there is no row", () => {
    expect(decideDeadLetter(undefined, { ring: 1 }).action).toBe("keep");
  });
});

describe("handing a job back", () => {
  const running = jobOf({
    state: "running",
    ring: 3,
    history: [{ execution: 1, attempt: 1, workerId: "w", claimId: "c", startedAt: NOW }],
  });

  it("costs an interruption and no attempt, and closes the start in the history", () => {
    expect(handbackOf(running, at(5))).toEqual({
      to: "queued",
      changes: {
        ring: 4,
        interruptions: 1,
        claim: undefined,
        runAt: undefined,
        startedAt: undefined,
        history: [{ ...running.history[0], endedAt: at(5), outcome: "interrupted" }],
      },
    });
  });

  it("honours a wanted cancel, and ends a job that loses every worker", () => {
    expect(handbackOf({ ...running, cancelWanted: true }, NOW).to).toBe("canceled");
    expect(handbackOf({ ...running, interruptions: MAX_INTERRUPTIONS }, NOW)).toMatchObject({
      to: "failed",
      changes: { failure: { code: "WorkerLost" } },
    });
  });

  it("tells in the end what was at fault before its worker was lost, if that is known", () => {
    const entry = {
      execution: 4,
      attempt: 1,
      workerId: "w",
      claimId: "c",
      startedAt: NOW,
      outcome: "interrupted",
    } as const;
    const history = [{ ...entry, code: "ENOSPC" }, { ...entry, execution: 5 }, ...running.history];
    const { changes } = handbackOf({ ...running, history, interruptions: MAX_INTERRUPTIONS }, NOW);
    expect(changes.failure?.message).toMatch(/ Execution 4 was interrupted by ENOSPC\.$/);
  });
});

describe("a claim", () => {
  const limits = { lockMs: 60_000, marginMs: 10_000 };
  const claim: Claim = { id: "c", workerId: "w", bootId: "b", queue: "q", sequenceNumber: "1", since: NOW };
  const worker = { bootId: "b", heartbeatAt: at(0), claims: ["c"], state: "running" } as const;

  it.each([
    ["its worker says so, however long", { ...worker, heartbeatAt: at(9_000) }, at(9_001), false],
    ["its worker was heard of within a lock's time", worker, at(70), false],
    ["its worker has been silent for longer", worker, at(71), true],
    ["its worker runs under another boot", { ...worker, bootId: "b2" }, at(1), true],
    [
      "its worker does not list it a moment after the claim",
      { ...worker, heartbeatAt: at(10), claims: [] },
      at(11),
      false,
    ],
    ["its worker does not list it later", { ...worker, heartbeatAt: at(11), claims: [] }, at(12), true],
    ["nobody knows its worker, a lock's time later", undefined, at(71), true],
    ["nobody knows its worker yet", undefined, at(70), false],
  ])("when %s", (_what, record, now, dead) => {
    expect(isClaimDead(claim, record, now.getTime(), limits)).toBe(dead);
  });
});

describe("the completion of a batch", () => {
  const closed = { state: "closed", generation: 2, completedGeneration: 1 } as const;

  it("is a question only when no more jobs can come and nobody has decided", () => {
    expect(isUndecided(closed)).toBe(true);
    expect(isUndecided({ ...closed, state: "open" })).toBe(false);
    expect(isUndecided({ ...closed, completedGeneration: 2 })).toBe(false);
  });

  it("is proven by two equal sums without open jobs, and by nothing less", () => {
    const done = { counts: { ...NO_COUNTS, succeeded: 3 }, version: "v1", changedAt: NOW };
    const open = { counts: { ...NO_COUNTS, succeeded: 2, queued: 1 }, version: "v1", changedAt: NOW };
    expect(provesCompletion(done, done)).toBe(true);
    expect(provesCompletion(done, { ...done, version: "v2" })).toBe(false);
    expect(provesCompletion(open, open)).toBe(false);
  });

  it("is taken back by a new generation, once; a reopening is always written", () => {
    expect(reopenedChanges({ generation: 2, completedGeneration: 2 })).toMatchObject({
      generation: 3,
      completedAt: undefined,
    });
    expect(reopenedChanges({ generation: 3, completedGeneration: 2 })).toEqual({ generation: 3, atRest: false });
  });
});
