import { describe, expect, it } from "vitest";
import type { BellReceiver, ReceivedMessage, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { createReceiveWatchdog, STUCK_AFTER_MS } from "../../../runtime/worker/receive-watchdog.ts";
import { jobOf } from "../../support/builders.ts";
import { deliveryOf } from "../../support/bus/fake-delivery.ts";
import { silentLog, silentMetrics } from "../../support/silent.ts";

const QUEUE = "jobs-p-normal";

/**
 * A worker that waits on open receives; `waiting`: what lies in its queue, `held`: under somebody else's lock, `paused`:
 * nothing is received on purpose.
 */
function setUp({ waiting = false, held = false, paused = false }) {
  const events: string[] = [];
  let now = 0;
  let since: number | undefined = 0;
  const probed: ReceivedMessage[] = [];
  const message: PeekedMessage = {
    parsed: { kind: "malformed", reason: "not read here" },
    messageId: "m",
    sequenceNumber: "1",
    enqueuedAt: new Date(),
    reason: undefined,
    description: undefined,
  };
  const probe: BellReceiver = {
    receive: () => {
      if (held || !waiting) return Promise.resolve([]);
      const delivery = deliveryOf({ value: jobOf(), etag: "e" });
      probed.push(delivery);
      return Promise.resolve([delivery]);
    },
    close: () => {
      events.push("probe closed");
      return Promise.resolve();
    },
  };
  const { check } = createReceiveWatchdog({
    queue: { peek: (name) => Promise.resolve(waiting && name === QUEUE ? [message] : []), receiver: () => probe },
    intake: {
      waitingSince: () => since,
      isHeld: () => paused,
      replaceReceivers: () => {
        events.push("replaced");
        since = now;
        return Promise.resolve();
      },
    },
    pool: "p",
    monotonicNow: () => now,
    giveUp: (reason) => events.push(`gave up: ${reason}`),
    metrics: silentMetrics,
    log: silentLog,
  });
  return {
    events,
    probed,
    check: (afterMs: number) => {
      now += afterMs;
      return check();
    },
    deliver: () => {
      since = undefined;
    },
    wait: () => {
      since = now;
    },
  };
}

describe("the receive watchdog", () => {
  it("the watchdog does nothing while the queue is empty or the wait is short", async () => {
    const idle = setUp({});
    await idle.check(STUCK_AFTER_MS * 10);
    expect(idle.events).toEqual([]);
    const short = setUp({ waiting: true });
    await short.check(STUCK_AFTER_MS - 1);
    expect(short.events).toEqual([]);
  });

  it("the watchdog ignores messages that other workers hold", async () => {
    const { events, check } = setUp({ waiting: true, held: true });
    await check(STUCK_AFTER_MS);
    expect(events).toEqual(["probe closed"]);
  });

  it("the watchdog leaves the messages of a paused queue alone", async () => {
    const { events, check } = setUp({ waiting: true, paused: true });
    await check(STUCK_AFTER_MS);
    expect(events).toEqual([]);
  });

  it("the watchdog replaces the receivers when only a new link receives a message", async () => {
    const { events, probed, check } = setUp({ waiting: true });
    await check(STUCK_AFTER_MS);
    expect(events).toEqual(["probe closed", "replaced"]);
    expect(probed.map((delivery) => (delivery as ReturnType<typeof deliveryOf>).settled)).toEqual([["abandon"]]);
  });

  it("the watchdog gives the process up when replacing does not help", async () => {
    const { events, check, deliver, wait } = setUp({ waiting: true });
    await check(STUCK_AFTER_MS);
    await check(STUCK_AFTER_MS);
    deliver();
    await check(1);
    wait();
    await check(STUCK_AFTER_MS);
    expect(events.filter((event) => event === "replaced").length).toBe(3);
    await check(STUCK_AFTER_MS);
    await check(STUCK_AFTER_MS);
    expect(events.at(-1)).toMatch(/^gave up: Messages wait in jobs-p-normal/);
  });
});
