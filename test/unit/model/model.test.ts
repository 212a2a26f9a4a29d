import { describe, expect, it } from "vitest";
import { CONFIGURATIONS, RULES_OFF } from "../../model/configurations.ts";
import { checkProgress, EdgeList } from "../../model/progress.ts";
import { type Model, must, search } from "../../model/search.ts";
import { readDocument } from "../../support/docs/document-tables.ts";

describe("the protocol, in every interleaving within small bounds", () => {
  const quick = CONFIGURATIONS.filter(({ share }) => share === "quick");
  it.each(quick)("$model: $name: no violation, and every run ends", ({ run }) => {
    const { violation, cut } = run();
    expect(violation).toBeUndefined();
    expect(cut).toBe(false);
  });
});

describe("a rule switched off", async () => {
  const document = await readDocument("protocol.md");

  it.each(RULES_OFF)("$name: yields the counterexample that docs/protocol.md names", ({ name, run }) => {
    const { violation } = run();
    const [broken] = /^(?:I\d+|overlap|stalled)/.exec(violation?.text ?? "") ?? [];
    expect(broken).toBeDefined();
    expect(violation?.trace.length).toBeGreaterThan(0);
    expect(document).toContain(`- **${name.replace(/^\w+: /, "")}** → ${broken}.`);
  });
});

/** Counts up, as far as `steps` says. */
const counting = (
  steps: Readonly<Record<number, readonly number[]>>,
  done: readonly number[],
): Model<{ at: number }> => ({
  initial: () => ({ at: 0 }),
  copy: (state) => ({ ...state }),
  pack: ({ at }) => String(at),
  unpack: (text) => ({ at: Number(text) }),
  steps(state, emit) {
    for (const to of steps[state.at] ?? []) emit.take(`to ${to}`, (next) => (next.at = to));
  },
  check: ({ at }) => must(at !== 13, "thirteen"),
  isDone: ({ at }) => done.includes(at),
  describe: ({ at }) => String(at),
});

describe("the search", () => {
  it("visits every state once", () => {
    expect(search(counting({ 0: [1, 2], 1: [3], 2: [3] }, [3]))).toEqual({
      states: 4,
      violation: undefined,
      cut: false,
    });
  });

  it("finds a violation by a shortest way", () => {
    const { violation } = search(counting({ 0: [1, 2], 1: [3], 3: [13], 2: [13] }, [13]));
    expect(violation?.text).toBe("thirteen");
    expect(violation?.trace.map(({ step }) => step)).toEqual(["to 2", "to 13"]);
  });

  it("finds where nothing more can happen although it is not done", () => {
    const { violation } = search(counting({ 0: [1, 2] }, [1]));
    expect(violation?.text).toMatch(/nothing more can happen/);
    expect(violation?.trace.at(-1)?.after).toBe("2");
  });

  it("finds a way round in circles", () => {
    const { violation } = search(counting({ 0: [1], 1: [2, 3], 2: [1] }, [3]));
    expect(violation?.text).toMatch(/loop forever/);
    expect(violation?.trace.map(({ after }) => after)).toEqual(["1", "2", "1"]);
  });

  it("says when it gives up", () => {
    expect(search(counting({ 0: [1], 1: [2], 2: [3] }, [3]), 2).cut).toBe(true);
  });

  it("ignores steps that are faults when it asks whether everything ends", () => {
    const edges = new EdgeList();
    edges.add(0, 1);
    expect(checkProgress(2, edges, (state) => state === 1)).toBeUndefined();
  });
});
