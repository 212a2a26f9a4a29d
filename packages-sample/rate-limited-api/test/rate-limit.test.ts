import { describe, expect, it } from "vitest";
import { retryAfterMs } from "../src/call-api.ts";
import { type Clock, createRateLimit } from "../src/rate-limit.ts";

/** A clock that stands still until every sleeper can be woken in order. */
function manualClock(): Clock & { readonly run: () => Promise<void> } {
  let time = 0;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  return {
    now: () => time,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        sleepers.push({ at: time + ms, wake: resolve });
      }),
    async run() {
      for (;;) {
        // Lets everything that was woken go on.
        await new Promise((resolve) => setImmediate(resolve));
        const [next] = sleepers.sort((a, b) => a.at - b.at);
        if (next === undefined) return;
        sleepers.shift();
        time = Math.max(time, next.at);
        next.wake();
      }
    },
  };
}

const NEVER = new AbortController().signal;

describe("a rate limit", () => {
  it("lets a burst start at once, and then one call at each interval, however many wait", async () => {
    const clock = manualClock();
    const limit = createRateLimit({ perSecond: 10, burst: 3, clock });
    const starts: number[] = [];
    const calls = Array.from({ length: 6 }, () => limit.take(NEVER).then(() => starts.push(clock.now())));
    await clock.run();
    await Promise.all(calls);
    expect(starts).toEqual([0, 0, 0, 100, 200, 300]);
  });

  it("fills the bucket in quiet times, and not beyond the burst", async () => {
    const clock = manualClock();
    const limit = createRateLimit({ perSecond: 10, burst: 2, clock });
    const quiet = clock.sleep(5_000, NEVER);
    await clock.run();
    await quiet;
    const starts: number[] = [];
    const calls = Array.from({ length: 4 }, () => limit.take(NEVER).then(() => starts.push(clock.now() - 5_000)));
    await clock.run();
    await Promise.all(calls);
    expect(starts).toEqual([0, 0, 100, 200]);
  });

  it("holds back also those that wait already, when the API asks for a pause", async () => {
    const clock = manualClock();
    const limit = createRateLimit({ perSecond: 10, burst: 1, clock });
    const starts: number[] = [];
    const calls = Array.from({ length: 3 }, () => limit.take(NEVER).then(() => starts.push(clock.now())));
    limit.pause(2_000);
    await clock.run();
    await Promise.all(calls);
    expect(starts).toEqual([0, 2_000, 2_100]);
  });

  it("stops waiting when the job must stop", async () => {
    const clock = manualClock();
    const limit = createRateLimit({ perSecond: 1, burst: 1, clock });
    const stop = new AbortController();
    await limit.take(stop.signal);
    const waiting = limit.take(stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-03-02T08:15:00Z");

  it.each([
    ["3", 3_000],
    ["0", 0],
    ["Mon, 02 Mar 2026 08:15:20 GMT", 20_000],
    ["Mon, 02 Mar 2026 08:14:00 GMT", 0],
    ["soon", undefined],
    [null, undefined],
  ])("of %j asks to wait %s ms", (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});
