import { describe, expect, it } from "vitest";
import { shareReads } from "../../../runtime/api/share-reads.ts";

/** Reads that are answered by hand, oldest first. */
function setUp() {
  const reads: { readonly key: string; readonly answer: PromiseWithResolvers<string> }[] = [];
  const read = shareReads((key) => {
    const answer = Promise.withResolvers<string>();
    reads.push({ key, answer });
    return answer.promise;
  });
  return { reads, read };
}

describe("shared reads", () => {
  it("calls during a read share the next one, which begins after them", async () => {
    const { reads, read } = setUp();
    const first = read("a");
    const others = [read("a"), read("a"), read("a")];
    expect(reads).toHaveLength(1);
    reads[0]!.answer.resolve("old");
    expect(await first).toBe("old");
    await expect.poll(() => reads.length).toBe(2);
    // The second read has begun, so this call waits for a third.
    const late = read("a");
    reads[1]!.answer.resolve("new");
    expect(await Promise.all(others)).toEqual(["new", "new", "new"]);
    await expect.poll(() => reads.length).toBe(3);
    reads[2]!.answer.resolve("newest");
    expect(await late).toBe("newest");
  });

  it("a call that meets no other reads at once", async () => {
    const { reads, read } = setUp();
    for (const [index, text] of ["one", "two"].entries()) {
      const answer = read("a");
      expect(reads).toHaveLength(index + 1);
      reads[index]!.answer.resolve(text);
      expect(await answer).toBe(text);
    }
  });

  it("keys do not wait for each other", () => {
    const { reads, read } = setUp();
    void read("a");
    void read("b");
    expect(reads.map(({ key }) => key)).toEqual(["a", "b"]);
  });

  it("a read that fails fails for those that share it, and the next one begins all the same", async () => {
    const { reads, read } = setUp();
    const first = read("a");
    const second = read("a");
    reads[0]!.answer.reject(new Error("away"));
    await expect(first).rejects.toThrow("away");
    await expect.poll(() => reads.length).toBe(2);
    reads[1]!.answer.resolve("back");
    expect(await second).toBe("back");
  });
});
