import { describe, expect, it } from "vitest";
import { runSteps, selectSteps, until, type Step } from "../../../../infra/rehearsal/steps/step.ts";

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

  it("all steps run if none is named", () => expect(selectSteps(all, [])).toBe(all));

  it("the named steps run with all steps they need, in their order", () => {
    expect(selectSteps(all, ["c"]).map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(selectSteps(all, ["d", "a"]).map(({ name }) => name)).toEqual(["a", "d"]);
  });

  it("an unknown step is refused with a list of the steps", () => {
    expect(() => selectSteps(all, ["e"])).toThrow('There is no step "e". Steps: a, b, c, d.');
  });

  it("a step runs after those it needs", async () => {
    expect((await run([step("a", []), step("b", ["a"])])).log).toEqual(["a", "b"]);
  });

  it("a step fails without being run if one it needs has failed", async () => {
    const { log, verdicts } = await run([failing("a"), step("b", ["a"]), step("c", ["b"]), step("d", [])]);
    expect(log).toEqual(["d"]);
    expect(verdicts).toEqual([
      { name: "a", ok: false, error: "a broke" },
      { name: "b", ok: false, error: "It needs a, which failed." },
      { name: "c", ok: false, error: "It needs b, which failed." },
      { name: "d", ok: true },
    ]);
  });

  it("a step runs after the end of others, successful or not, even if they do not run", async () => {
    const later = step("b", [], { after: ["a", "absent"] });
    expect((await run([failing("a"), later])).log).toEqual(["b"]);
  });

  it("steps without an order run in parallel", async () => {
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
  it("waiting ends with the first answer", async () => {
    const answers = [undefined, false, "there"] as const;
    let calls = 0;
    expect(await until("it is there", 10, () => answers[calls++])).toBe("there");
  });

  it("waiting times out with its subject and the last error", async () => {
    const probe = (): Promise<never> => Promise.reject(new Error("no route"));
    await expect(until("the API answers", 0.1, probe)).rejects.toThrow(
      "Timed out after 0.1 s: the API answers (no route).",
    );
  });
});
