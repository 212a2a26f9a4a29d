import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Deliverer } from "../../../../runtime/api/webhooks/deliver.ts";
import { startWebhookDuty, WEBHOOK_LEASE_MS } from "../../../../runtime/api/webhooks/duty.ts";
import { silentLog } from "../../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A duty, when it asked for the lease, and how many deliveries its rounds find. */
function setUp() {
  const asked: number[] = [];
  const startedAt = Date.now();
  const state = { leads: true, deliveries: 0 };
  const deliverer: Deliverer = {
    round: () => Promise.resolve(false),
    next: () => Promise.resolve(),
    idle: () => Promise.resolve(),
    get count() {
      return state.deliveries;
    },
  };
  const duty = startWebhookDuty({
    lease: {
      hold: () => {
        asked.push((Date.now() - startedAt) / 1_000);
        return Promise.resolve(state.leads);
      },
      release: () => Promise.resolve(),
    },
    announce: () => Promise.resolve(0),
    deliverer,
    log: silentLog,
  });
  return { asked, state, duty };
}

it("rounds without deliveries come every 10 s, and every 5 s for a minute after a delivery", async () => {
  const { asked, state, duty } = setUp();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(asked).toEqual([0, 10]);
  state.deliveries = 1;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toEqual([0, 10, 20, 25]);
  state.deliveries = 0;
  await vi.advanceTimersByTimeAsync(80_000);
  expect(asked.slice(3)).toEqual([25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 95, 105]);
  await duty.stop();
});

it("another process takes over within 30 s of the last round of one that has died", async () => {
  const { asked, state, duty } = setUp();
  state.leads = false;
  await vi.advanceTimersByTimeAsync(60_000);
  // Of the processes that do not lead, the next one to ask after the end of the lease gets it.
  const pausesMs = asked.slice(1).map((at, n) => 1_000 * (at - (asked[n] ?? 0)));
  expect(WEBHOOK_LEASE_MS + Math.max(...pausesMs)).toBeLessThanOrEqual(30_000);
  // The one that leads asks in time to keep it.
  expect(Math.max(...pausesMs)).toBeLessThan(WEBHOOK_LEASE_MS);
  await duty.stop();
});
