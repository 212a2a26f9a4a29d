import { expect, inject, it } from "vitest";
import { connectStorage, createTimerStore } from "../../../runtime/azure/index.ts";
import { createServiceClock } from "../../../runtime/core/service-clock.ts";
import { timerOf } from "../../support/builders.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

it("comes with every answer of storage, also with one that there is nothing", async () => {
  const HOUR_MS = 3_600_000;
  const clockOf = (aheadMs: number) =>
    createServiceClock({ now: () => new Date(Date.now() + aheadMs), monotonicNow: () => performance.now() });
  for (const [aheadMs, isRight] of [
    [0, true],
    [3 * HOUR_MS, false],
    [-3 * HOUR_MS, false],
  ] as const) {
    const clock = clockOf(aheadMs);
    const connection = { kind: "connection-string", storage: inject("storageConnectionString") } as const;
    const timers = createTimerStore({ storage: connectStorage(connection, { onServiceTime: clock.hear }) });
    expect(await timers.get(timerOf({ tenantName: freshTenant() }))).toBeUndefined();
    if (isRight) clock.trustedNow();
    else expect(() => clock.trustedNow()).toThrow(expect.objectContaining({ code: "ClockWrong" }));
  }
});
