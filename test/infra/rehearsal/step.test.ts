import { describe, expect, it } from "vitest";
import { runSteps, selectSteps, until, type Step } from "../../../infra/rehearsal/step.ts";

const step = (name: string, needs: readonly string[], more: Partial<Step<string[]>> = {}): Step<string[]> => ({
  ...{ name, title: name, needs },
  run(log) {
    log.push(name);
    return Promise.resolve();
  },
  ...more,
});
const failing = (name: string, needs: readonly string[] = []): Step<string[]> =>
  step(name, needs, { run: () => Promise.reject(new Error(`${name} broke`)) });

const run = async (steps: readonly Step<string[]>[]) => {
  const log: string[] = [];
  const verdicts = await runSteps(steps, log, () => undefined);
  return {
    log,
    verdicts: verdicts.map(({ name, ok, error }) => ({ name, ok, ...(error !== undefined && { error }) })),
  };
};

describe("the steps of a rehearsal", () => {
  const all = [step("a", []), step("b", ["a"]), step("c", ["b"], { after: ["d"] }), step("d", [])];

  it("are all of them when none is named", () => expect(selectSteps(all, [])).toBe(all));

  it("are the named ones with everything they need, in their order", () => {
    expect(selectSteps(all, ["c"]).map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(selectSteps(all, ["d", "a"]).map(({ name }) => name)).toEqual(["a", "d"]);
  });

  it("have names, and an unknown one is refused with those there are", () => {
    expect(() => selectSteps(all, ["e"])).toThrow('There is no step "e". Steps: a, b, c, d.');
  });

  it("run after those they need", async () => {
    expect((await run([step("a", []), step("b", ["a"])])).log).toEqual(["a", "b"]);
  });

  it("fail without being run when one they need has failed", async () => {
    const { log, verdicts } = await run([failing("a"), step("b", ["a"]), step("c", ["b"]), step("d", [])]);
    expect(log).toEqual(["d"]);
    expect(verdicts).toEqual([
      { name: "a", ok: false, error: "a broke" },
      { name: "b", ok: false, error: "It needs a, which failed." },
      { name: "c", ok: false, error: "It needs b, which failed." },
      { name: "d", ok: true },
    ]);
  });

  it("run after the end of others, however those ended, and whether they run at all", async () => {
    const later = step("b", [], { after: ["a", "absent"] });
    expect((await run([failing("a"), later])).log).toEqual(["b"]);
  });

  it("run side by side when nothing orders them", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const first = step("a", [], { run: () => promise });
    const second = step("b", [], {
      run() {
        resolve(undefined);
        return promise;
      },
    });
    expect((await run([first, second])).verdicts.every(({ ok }) => ok)).toBe(true);
  });
});

describe("waiting for a state", () => {
  it("ends with the first answer that is one", async () => {
    const answers = [undefined, false, "there"] as const;
    let asked = 0;
    expect(await until("it is there", 10, () => answers[asked++])).toBe("there");
  });

  it("ends after the time with what was waited for, and the last error", async () => {
    const ask = (): Promise<never> => Promise.reject(new Error("no route"));
    await expect(until("the API answers", 0.1, ask)).rejects.toThrow(
      "After 0.1 s still not: the API answers (no route).",
    );
  });
});
