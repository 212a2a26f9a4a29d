import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createReadiness } from "../../../runtime/api/readiness.ts";
import { READY_CHECK_EVERY_MS, READY_CHECK_TIMEOUT_MS } from "../../../runtime/core/limits.ts";
import { silentLog } from "../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("names each part that fails, and since when it fails", async () => {
  let broker = true;
  let seconds = 0;
  const readiness = createReadiness({
    checks: {
      storage: () => Promise.resolve(),
      broker: () => (broker ? Promise.resolve() : Promise.reject(new Error("away"))),
    },
    now: () => new Date(seconds * 1_000),
    monotonicNow: () => seconds * 1_000,
    log: silentLog,
  });
  const later = (): Promise<unknown> => {
    seconds += READY_CHECK_EVERY_MS / 1_000;
    return readiness();
  };
  expect(await readiness()).toEqual([]);
  broker = false;
  const since = new Date(READY_CHECK_EVERY_MS);
  expect(await later()).toEqual([{ part: "broker", since }]);
  expect(await later()).toEqual([{ part: "broker", since }]);
  broker = true;
  expect(await later()).toEqual([]);
  broker = false;
  expect(await later()).toEqual([{ part: "broker", since: new Date(4 * READY_CHECK_EVERY_MS) }]);
});

it("runs the checks once while a result is fresh", async () => {
  let asked = 0;
  let now = 0;
  const check = (): Promise<void> => {
    asked++;
    return Promise.resolve();
  };
  const readiness = createReadiness({
    checks: { check },
    now: () => new Date(),
    monotonicNow: () => now,
    log: silentLog,
  });
  await Promise.all([readiness(), readiness()]);
  now += READY_CHECK_EVERY_MS - 1;
  await readiness();
  expect(asked).toBe(1);
});

it("takes silence for a no", async () => {
  const readiness = createReadiness({
    checks: { silent: () => new Promise(() => undefined) },
    now: () => new Date(),
    monotonicNow: () => 0,
    log: silentLog,
  });
  const answer = readiness();
  await vi.advanceTimersByTimeAsync(READY_CHECK_TIMEOUT_MS);
  expect(await answer).toEqual([{ part: "silent", since: new Date() }]);
});
