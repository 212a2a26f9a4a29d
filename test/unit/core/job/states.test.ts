import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addCounts,
  assertTransition,
  countChange,
  isTransitionAllowed,
  isTerminal,
  JOB_STATES,
  NO_COUNTS,
  openOf,
  totalOf,
} from "../../../../runtime/core/job/states.ts";

const state = fc.constantFrom(...JOB_STATES);

describe("job states", () => {
  it("a terminal job state never leads to another terminal state", () => {
    for (const from of JOB_STATES.filter(isTerminal)) {
      for (const to of JOB_STATES) expect(isTransitionAllowed(from, to)).toBe(to === "queued");
    }
  });

  it("job states allow exactly the documented transitions", () => {
    const allowed = JOB_STATES.flatMap((from) =>
      JOB_STATES.filter((to) => isTransitionAllowed(from, to)).map((to) => `${from} → ${to}`),
    );
    expect(allowed).toEqual([
      "queued → queued",
      "queued → running",
      "queued → failed",
      "queued → canceled",
      "running → queued",
      "running → running",
      "running → succeeded",
      "running → failed",
      "running → canceled",
      "succeeded → queued",
      "failed → queued",
      "canceled → queued",
    ]);
    expect(() => assertTransition("succeeded", "failed")).toThrow(/cannot go from succeeded to failed/);
  });

  it("the counts hold every job exactly once along any path of states", () => {
    fc.assert(
      fc.property(fc.array(state, { minLength: 1 }), (path) => {
        const counts = path.reduce((sum, to, index) => addCounts(sum, countChange(path[index - 1], to)), NO_COUNTS);
        expect(counts).toEqual({ ...NO_COUNTS, [path.at(-1)!]: 1 });
        expect(totalOf(counts)).toBe(1);
        expect(openOf(counts)).toBe(isTerminal(path.at(-1)!) ? 0 : 1);
      }),
    );
  });
});
