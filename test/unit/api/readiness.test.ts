import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createReadiness } from "../../../runtime/api/readiness.ts";
import { READY_CHECK_EVERY_MS, READY_CHECK_TIMEOUT_MS } from "../../../runtime/core/limits.ts";
import { silentLog } from "../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("is ready when every check passes, and not when one fails", async () => {
  let broker = true;
  let now = 0;
  const isReady = createReadiness({
    checks: {
      storage: () => Promise.resolve(),
      broker: () => (broker ? Promise.resolve() : Promise.reject(new Error("away"))),
    },
    monotonicNow: () => now,
    log: silentLog,
  });
  expect(await isReady()).toBe(true);
  broker = false;
  now += READY_CHECK_EVERY_MS;
  expect(await isReady()).toBe(false);
});

it("runs the checks once while a result is fresh", async () => {
  let asked = 0;
  let now = 0;
  const check = (): Promise<void> => {
    asked++;
    return Promise.resolve();
  };
  const isReady = createReadiness({ checks: { check }, monotonicNow: () => now, log: silentLog });
  await Promise.all([isReady(), isReady()]);
  now += READY_CHECK_EVERY_MS - 1;
  await isReady();
  expect(asked).toBe(1);
});

it("takes silence for a no", async () => {
  const isReady = createReadiness({
    checks: { silent: () => new Promise(() => undefined) },
    monotonicNow: () => 0,
    log: silentLog,
  });
  const answer = isReady();
  await vi.advanceTimersByTimeAsync(READY_CHECK_TIMEOUT_MS);
  expect(await answer).toBe(false);
});
