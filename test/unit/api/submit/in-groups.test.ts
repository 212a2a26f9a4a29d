import { describe, expect, it } from "vitest";
import { inGroups } from "../../../../runtime/api/submit/in-groups.ts";

/** A source that the test feeds, and that says how much was taken from it. */
function createFeed() {
  const items: number[] = [];
  let end: { error?: Error } | undefined;
  let wake = (): void => undefined;
  const feed = {
    taken: 0,
    put(...more: number[]) {
      items.push(...more);
      wake();
    },
    end(error?: Error) {
      end = error === undefined ? {} : { error };
      wake();
    },
    async *read(): AsyncGenerator<number> {
      for (;;) {
        const item = items.shift();
        if (item !== undefined) {
          feed.taken++;
          yield item;
        } else if (end !== undefined) {
          if (end.error !== undefined) throw end.error;
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    },
  };
  return feed;
}

/** All promise callbacks that can run have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const bounds = { maxCount: 3, maxWeight: 100, weightOf: (item: number) => item };

describe("groups of items", () => {
  it("a group has all waiting items: one alone, or several that came meanwhile", async () => {
    const feed = createFeed();
    const groups = inGroups(feed.read(), bounds);
    feed.put(1);
    expect((await groups.next()).value).toEqual([1]);
    feed.put(2, 3);
    await settled();
    expect((await groups.next()).value).toEqual([2, 3]);
    const waiting = groups.next();
    feed.put(4);
    expect((await waiting).value).toEqual([4]);
    feed.end();
    expect((await groups.next()).done).toBe(true);
  });

  it("hold no more than the bounds, and nothing beyond is read", async () => {
    const feed = createFeed();
    const groups = inGroups(feed.read(), bounds);
    feed.put(1, 2, 3, 4, 70, 50, 5);
    const first = groups.next();
    await settled();
    expect((await first).value).toEqual([1]);
    await settled();
    expect(feed.taken).toBe(4);
    expect((await groups.next()).value).toEqual([2, 3, 4]);
    await settled();
    expect((await groups.next()).value).toEqual([70, 50]);
  });

  it("an error of the source is thrown at once, without the items before it", async () => {
    const feed = createFeed();
    const groups = inGroups(feed.read(), bounds);
    feed.put(1);
    expect((await groups.next()).value).toEqual([1]);
    feed.put(2);
    feed.end(new Error("cut"));
    await settled();
    await expect(groups.next()).rejects.toThrow("cut");
  });

  it("the source is read to its end when the consumer stops early", async () => {
    const feed = createFeed();
    const groups = inGroups(feed.read(), bounds);
    feed.put(1, 2, 3, 4, 5, 6, 7, 8);
    await groups.next();
    await groups.return(undefined);
    feed.put(9);
    await settled();
    expect(feed.taken).toBe(9);
  });
});
