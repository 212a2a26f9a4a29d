/** The API's own subscription, whose gaps make every client read again. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GAP_EVERY_MS, subscribeToEvents } from "../../../../runtime/api/events/subscribe.ts";
import { silentLog } from "../../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A subscription whose source reports gaps when asked, and the number of gaps that were passed on. */
async function subscribed() {
  let told = 0;
  let gap: () => void = () => undefined;
  const listen = (_onEvent: unknown, onGap: () => void): Promise<void> => {
    gap = onGap;
    return Promise.resolve();
  };
  const stop = subscribeToEvents({
    source: { listen, close: () => Promise.resolve() },
    onEvent: () => undefined,
    onGap: () => {
      told++;
    },
    log: silentLog,
  });
  await vi.advanceTimersByTimeAsync(0);
  return { gap: () => gap(), told: () => told, stop };
}

describe("gaps in the events", () => {
  it("are told when the subscription is ready, and at once after a quiet time", async () => {
    const { gap, told } = await subscribed();
    expect(told()).toBe(1);
    await vi.advanceTimersByTimeAsync(GAP_EVERY_MS);
    gap();
    expect(told()).toBe(2);
  });

  it("are told at most every GAP_EVERY_MS, and the last one is always told", async () => {
    const { gap, told } = await subscribed();
    const EVERY_MS = GAP_EVERY_MS / 10;
    for (let i = 0; i < 95; i++) {
      gap();
      await vi.advanceTimersByTimeAsync(EVERY_MS);
    }
    const before = told();
    expect(before).toBe(10);
    await vi.advanceTimersByTimeAsync(GAP_EVERY_MS);
    expect(told()).toBe(before + 1);
    await vi.advanceTimersByTimeAsync(10 * GAP_EVERY_MS);
    expect(told()).toBe(before + 1);
  });

  it("are not told after the subscription has been stopped", async () => {
    const { gap, told, stop } = await subscribed();
    gap();
    stop();
    await vi.advanceTimersByTimeAsync(2 * GAP_EVERY_MS);
    expect(told()).toBe(1);
  });
});
