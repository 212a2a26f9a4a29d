import { describe, expect, it } from "vitest";
import { isUndecided, provesCompletion, reopenedChanges } from "../../../../runtime/core/job/completion.ts";
import { NO_COUNTS } from "../../../../runtime/core/job/states.ts";

const NOW = new Date("2026-03-01T09:00:00Z");

describe("the completion of a batch", () => {
  const closed = { state: "closed", generation: 2, completedGeneration: 1 } as const;

  it("the completion of a batch is undecided only when no more jobs can come and its generation is not decided", () => {
    expect(isUndecided(closed)).toBe(true);
    expect(isUndecided({ ...closed, state: "open" })).toBe(false);
    expect(isUndecided({ ...closed, completedGeneration: 2 })).toBe(false);
  });

  it("two equal sums without open jobs prove that a batch is complete, and nothing less does", () => {
    const done = { counts: { ...NO_COUNTS, succeeded: 3 }, version: "v1", changedAt: NOW };
    const open = { counts: { ...NO_COUNTS, succeeded: 2, queued: 1 }, version: "v1", changedAt: NOW };
    expect(provesCompletion(done, done)).toBe(true);
    expect(provesCompletion(done, { ...done, version: "v2" })).toBe(false);
    expect(provesCompletion(open, open)).toBe(false);
  });

  it("a completed batch is reopened as a new generation once, and a reopening is always written", () => {
    expect(reopenedChanges({ generation: 2, completedGeneration: 2 })).toMatchObject({
      generation: 3,
      completedAt: undefined,
    });
    expect(reopenedChanges({ generation: 3, completedGeneration: 2 })).toEqual({ generation: 3, atRest: false });
  });
});
