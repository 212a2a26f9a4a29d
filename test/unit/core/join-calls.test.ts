import { describe, expect, it } from "vitest";
import { joinCalls } from "../../../runtime/core/join-calls.ts";

/** A run for each call of the function it makes, ended by hand. */
function setUp() {
  const runs: { key: string; end: PromiseWithResolvers<string> }[] = [];
  const call = joinCalls((key) => {
    const end = Promise.withResolvers<string>();
    runs.push({ key, end });
    return end.promise;
  });
  return { runs, call };
}

describe("joined calls", () => {
  it("calls during a run share the next run", async () => {
    const { runs, call } = setUp();
    const first = call("a");
    const others = [call("a"), call("a"), call("a")];
    expect(runs.length).toBe(1);
    runs[0]!.end.resolve("done");
    await first;
    await expect.poll(() => runs.length).toBe(2);
    const late = call("a");
    runs[1]!.end.resolve("new");
    expect(await Promise.all(others)).toEqual(["new", "new", "new"]);
    await expect.poll(() => runs.length).toBe(3);
    runs[2]!.end.resolve("done");
    await late;
    expect(runs.length).toBe(3);
  });

  it("a call never joins a run that began before it, not even one that has just ended", async () => {
    const { runs, call } = setUp();
    const first = call("a");
    const second = call("a");
    const inBetween = first.then(() => ({ begunBefore: runs.length, done: call("a") }));
    runs[0]!.end.resolve("done");
    const { begunBefore, done } = await inBetween;
    runs[begunBefore - 1]!.end.resolve("done");
    await second;
    await expect.poll(() => runs.length).toBe(begunBefore + 1);
    runs[begunBefore]!.end.resolve("done");
    await done;
  });

  it("calls with different keys run independently", async () => {
    const { runs, call } = setUp();
    const both = [call("a"), call("b")];
    expect(runs.map(({ key }) => key)).toEqual(["a", "b"]);
    for (const { end } of runs) end.resolve("done");
    await Promise.all(both);
  });

  it("calls that share a failed run fail together, and the next run still starts", async () => {
    const { runs, call } = setUp();
    const first = call("a");
    const second = call("a");
    runs[0]!.end.reject(new Error("away"));
    await expect(first).rejects.toThrow("away");
    await expect.poll(() => runs.length).toBe(2);
    runs[1]!.end.resolve("done");
    await second;
  });
});
