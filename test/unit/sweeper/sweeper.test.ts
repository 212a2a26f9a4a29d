import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createServiceClock } from "../../../runtime/core/service-clock.ts";
import { startSweeper, type SweeperDeps } from "../../../runtime/sweeper/sweeper.ts";
import { recordingLog } from "../../support/recording-log.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("a sweeper with a wrong clock does not ask for the lease, so another one can lead", async () => {
  let clockMs = Date.parse("2026-03-01T11:00:00Z");
  const clock = createServiceClock({ now: () => new Date(clockMs), monotonicNow: () => 0 });
  clock.hear("Sun, 01 Mar 2026 08:00:00 GMT");
  const hold = vi.fn(() => Promise.resolve(false));
  const log = recordingLog();
  // Who does not lead asks nobody else.
  const deps = { lease: { hold, release: () => Promise.resolve() }, now: clock.trustedNow, log };
  const stop = startSweeper(deps as unknown as SweeperDeps);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(hold).not.toHaveBeenCalled();
  expect(log.messages()).toEqual(["sweep broke off"]);
  clockMs = Date.parse("2026-03-01T08:00:00Z");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(hold).toHaveBeenCalledOnce();
  await stop();
});
