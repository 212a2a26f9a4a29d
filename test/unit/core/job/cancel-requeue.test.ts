import { describe, expect, it } from "vitest";
import { cancelOf, requeueOf } from "../../../../runtime/core/job/cancel-requeue.ts";
import { isTransitionAllowed, isTerminal, JOB_STATES } from "../../../../runtime/core/job/states.ts";

const NOW = new Date("2026-03-01T09:00:00Z");

describe("cancelOf", () => {
  it("cancelOf ends a queued job, asks a running one to end, and leaves an ended one", () => {
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

describe("requeueOf", () => {
  it("requeueOf takes ended jobs only, raises the ring, resets the counts and keeps the history", () => {
    for (const state of JOB_STATES) {
      const decision = requeueOf({ state, ring: 4 });
      expect(decision !== undefined).toBe(isTerminal(state));
      if (decision === undefined) continue;
      expect(isTransitionAllowed(state, decision.to)).toBe(true);
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
