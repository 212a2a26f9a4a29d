import { expect, it } from "vitest";
import { outgoingTick } from "../../../../runtime/core/timer/tick.ts";
import { scheduleHashOf } from "../../../../runtime/core/timer/timer.ts";
import { type AttemptDeps, runAttempt } from "../../../../runtime/worker/attempt/attempt.ts";
import { jobOf, timerOf } from "../../../support/builders.ts";
import { deliveryOf } from "../../../support/bus/fake-delivery.ts";
import { silentLog } from "../../../support/silent.ts";
import { systemClock } from "../../../../runtime/core/clock.ts";

it("a worker without timers sets a tick aside and starts nothing", async () => {
  const timer = timerOf();
  const { tick } = outgoingTick(timer, scheduleHashOf(timer), new Date("2026-03-01T09:00:00Z"));
  const delivery = deliveryOf({ value: jobOf(), etag: "e" }, { parsed: { kind: "tick", tick } });
  // Nothing else is asked.
  const deps = { lockMs: 60_000, ...systemClock, newId: () => "c", log: silentLog };
  await runAttempt(delivery, deps as unknown as AttemptDeps, new AbortController().signal);
  expect(delivery.settled).toEqual(["dead-letter MalformedMessage: This worker runs no timers."]);
});
