import { describe, expect, test } from "vitest";
import type { Delivery } from "../../engine/message.ts";
import type { Settlement } from "../../engine/settlement.ts";
import { encodeBody, HeldReceiver, parseBody, TestBus } from "../support/engine.ts";

const message = (id: string, extra: object = {}) => ({ body: encodeBody({ id }), messageId: id, ...extra });
const idsOf = (found: readonly { readonly body: Uint8Array }[]) => found.map(({ body }) => parseBody(body)["id"]);

describe("the broker", () => {
  test("gives messages to receivers in turn, never more than their credit", () => {
    const bus = new TestBus({ queues: [{ name: "q" }] });
    const receivers = [new HeldReceiver(1), new HeldReceiver(3), new HeldReceiver(3)];
    for (const receiver of receivers) {
      bus.run((broker) => broker.attachReceiver("q", receiver));
      bus.run((broker) => broker.offerCredit("q", receiver));
    }
    bus.run((broker) =>
      broker.send(
        "q",
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map((id) => message(id)),
      ),
    );
    expect(receivers.map(({ deliveries }) => idsOf(deliveries))).toEqual([["1"], ["2", "4", "6"], ["3", "5", "7"]]);
    expect(bus.broker.entities.store("q").available.size).toBe(2);
  });

  test("returns an undelivered message to its place without counting it", () => {
    const bus = new TestBus({ queues: [{ name: "q" }] });
    bus.run((broker) => broker.send("q", [message("1"), message("2")]));
    const [first] = bus.receive("q", 1);
    bus.run((broker) => broker.undelivered("q", first!.lock!.token));
    const again = bus.receive("q", 2);
    expect(idsOf(again)).toEqual(["1", "2"]);
    expect(again[0]!.deliveryCount).toBe(0);
  });

  test("counts deferrals, but nothing in a dead-letter queue, as the service does", () => {
    const bus = new TestBus({ queues: [{ name: "q", lockMs: 1_000 }] });
    const letters = "q/$DeadLetterQueue";
    const peekCounts = (path: string) =>
      bus.run((broker) => broker.peek(path, { from: 0, count: 10 })).map(({ deliveryCount }) => deliveryCount);
    const settle = (path: string, delivery: Delivery | undefined, kind: Settlement["kind"]) =>
      bus.run((broker) => broker.settle(path, delivery!.lock!.token, { kind }));
    const deferred = (path: string, seq: number) => bus.run((broker) => broker.receiveDeferred(path, [seq], false))[0];
    bus.run((broker) => broker.send("q", [message("1")]));
    settle("q", bus.receive("q", 1)[0], "defer");
    expect(peekCounts("q")).toEqual([1]);
    settle("q", deferred("q", 1), "abandon");
    bus.crash({ compact: false });
    expect(peekCounts("q")).toEqual([2]);
    settle("q", deferred("q", 1), "dead-letter");
    expect(peekCounts(letters)).toEqual([2]);
    settle(letters, bus.receive(letters, 1)[0], "abandon");
    expect(peekCounts(letters)).toEqual([2]);
    bus.receive(letters, 1);
    bus.advance(1_000);
    expect(peekCounts(letters)).toEqual([2]);
    settle(letters, bus.receive(letters, 1)[0], "defer");
    expect(peekCounts(letters)).toEqual([2]);
  });

  test("does not count what a receiver releases unseen", () => {
    const bus = new TestBus({ queues: [{ name: "q", maxDeliveryCount: 1 }] });
    bus.run((broker) => broker.send("q", [message("1")]));
    for (let time = 0; time < 3; time++) {
      const [held] = bus.receive("q", 1);
      expect(held!.deliveryCount).toBe(0);
      bus.run((broker) => broker.settle("q", held!.lock!.token, { kind: "release" }));
    }
  });

  test("delivers a scheduled message with the state scheduled, also after a restart", () => {
    const bus = new TestBus({ queues: [{ name: "q" }], topics: [{ name: "t", subscriptions: [{ name: "s" }] }] });
    for (const path of ["q", "t"]) {
      bus.run((broker) => broker.send(path, [message("1", { scheduledAt: bus.now + 100 }), message("2")]));
    }
    bus.advance(100);
    bus.crash({ compact: true });
    for (const path of ["q", "t/Subscriptions/s"]) {
      expect(bus.run((broker) => broker.peek(path, { from: 0, count: 9 })).map(({ status }) => status)).toEqual([
        ...["active", "active"],
      ]);
      expect(bus.receive(path, 2).map(({ status }) => status)).toEqual(["active", "scheduled"]);
    }
  });

  test("shows the shorter time to live of entity and message", () => {
    const bus = new TestBus({
      queues: [{ name: "q", timeToLiveMs: 5_000 }],
      topics: [{ name: "t", timeToLiveMs: 4_000, subscriptions: [{ name: "s", timeToLiveMs: 3_000 }] }],
    });
    const messages = [message("1", { timeToLiveMs: 60_000 }), message("2", { timeToLiveMs: 1_000 }), message("3")];
    for (const path of ["q", "t"]) bus.run((broker) => broker.send(path, messages));
    expect(bus.receive("q", 3).map(({ timeToLiveMs }) => timeToLiveMs)).toEqual([5_000, 1_000, 5_000]);
    const copies = bus.receive("t/Subscriptions/s", 3);
    expect(copies.map(({ timeToLiveMs }) => timeToLiveMs)).toEqual([3_000, 1_000, 3_000]);
  });

  test("ends locks at their own time after the lock duration has changed", () => {
    const bus = new TestBus({ queues: [{ name: "q", lockMs: 10_000 }] });
    bus.run((broker) => broker.send("q", [message("long"), message("short")]));
    bus.receive("q", 1);
    bus.run((broker) => broker.setEntity({ kind: "queue", description: { name: "q", lockMs: 1_000 } }, "update"));
    bus.receive("q", 1);
    bus.advance(1_000);
    expect(idsOf(bus.receive("q", 2))).toEqual(["short"]);
    bus.advance(9_000);
    expect(idsOf(bus.receive("q", 2))).toEqual(["long", "short"]);
  });

  test("names the instant of its next work, and does the work then", () => {
    const bus = new TestBus({ queues: [{ name: "q", lockMs: 5_000 }] });
    expect(bus.broker.nextDueAt()).toBe(Infinity);
    bus.run((broker) => broker.send("q", [message("1", { scheduledAt: bus.now + 700 })]));
    expect(bus.broker.nextDueAt()).toBe(bus.now + 700);
    bus.advance(700);
    bus.receive("q", 1);
    expect(bus.broker.nextDueAt()).toBe(bus.now + 5_000);
  });

  test("never gives a sequence number twice, not even after the queue was empty and its journal compacted", () => {
    const bus = new TestBus({ queues: [{ name: "q" }] });
    bus.run((broker) => broker.send("q", [message("1"), message("2")]));
    bus.receive("q", 2, true);
    bus.crash({ compact: true });
    expect(bus.run((broker) => broker.send("q", [message("3")]))).toEqual([3]);
  });

  test("changes nothing when the same topology is applied again, and keeps messages when it differs", () => {
    const topology = {
      queues: [{ name: "q", lockMs: 1_000 }],
      topics: [{ name: "t", subscriptions: [{ name: "s" }] }],
    };
    const bus = new TestBus(topology);
    bus.run((broker) => broker.send("q", [message("1")]));
    bus.broker.execute(bus.now, () => bus.broker.applyTopology(topology));
    expect(bus.broker.takeRecords()).toEqual([]);
    bus.run((broker) => broker.applyTopology({ queues: [{ name: "q", lockMs: 2_000 }], topics: [] }));
    expect(bus.receive("q", 1)[0]!.lock!.until).toBe(bus.now + 2_000);
  });

  test("refuses a batch as a whole", () => {
    const bus = new TestBus({ queues: [{ name: "s", requiresSession: true }, { name: "full" }] });
    const mixed = [message("1", { sessionId: "a" }), message("2")];
    expect(() => bus.run((broker) => broker.send("s", mixed))).toThrow(/session/);
    expect(bus.broker.entities.store("s").messages.size).toBe(0);
    bus.run((broker) =>
      broker.setEntity({ kind: "queue", description: { name: "full", maxSizeMegabytes: 1 } }, "update"),
    );
    const large = { body: Buffer.alloc(700_000, "1"), messageId: "large" };
    bus.run((broker) => broker.send("full", [large]));
    expect(() => bus.run((broker) => broker.send("full", [large]))).toThrow(/maximum size/);
  });

  test("forwards dead letters and says where they come from", () => {
    const bus = new TestBus({ queues: [{ name: "q", forwardDeadLetteredTo: "morgue" }, { name: "morgue" }] });
    bus.run((broker) => broker.send("q", [message("1")]));
    const [delivery] = bus.receive("q", 1);
    bus.run((broker) => broker.settle("q", delivery!.lock!.token, { kind: "dead-letter", reason: "r" }));
    const [letter] = bus.receive("morgue", 1);
    expect(letter).toMatchObject({ deadLetterSource: "q" });
    expect(parseBody(letter!.body)).toMatchObject({ id: "1", DeadLetterReason: "r" });
  });

  test("removes an idle subscription, but not one that is in use", () => {
    const bus = new TestBus({
      topics: [
        {
          name: "t",
          subscriptions: [
            { name: "idle", autoDeleteOnIdleMs: 1_000 },
            { name: "used", autoDeleteOnIdleMs: 1_000 },
          ],
        },
      ],
    });
    const receiver = new HeldReceiver(1);
    bus.run((broker) => broker.attachReceiver("t/Subscriptions/used", receiver));
    bus.advance(1_001);
    expect(bus.broker.entities.find("t/subscriptions/idle")).toBeUndefined();
    expect(bus.broker.entities.find("t/subscriptions/used")).toBeDefined();
    bus.run((broker) => broker.detachReceiver("t/Subscriptions/used", receiver));
    bus.crash({ compact: false });
    bus.advance(500);
    bus.run((broker) => broker.peek("t/Subscriptions/used", { from: 0, count: 1 }));
    bus.advance(900);
    expect(bus.broker.entities.find("t/subscriptions/used")).toBeDefined();
    bus.advance(1_001);
    expect(bus.broker.entities.find("t/subscriptions/used")).toBeUndefined();
  });

  test("keeps session locks and states over a crash, and frees sessions when their locks end", () => {
    const bus = new TestBus({ queues: [{ name: "s", requiresSession: true, lockMs: 1_000 }] });
    bus.run((broker) => broker.send("s", [message("1", { sessionId: "a" })]));
    const accept = () => {
      const receiver = new HeldReceiver(1);
      let granted: string | undefined;
      const waiter = { sessionId: "a", receiver, granted: (id: string) => void (granted = id) };
      bus.run((broker) => broker.acceptSession("s", waiter));
      bus.run((broker) => broker.offerCredit("s", receiver));
      return { receiver, granted };
    };
    expect(idsOf(accept().receiver.deliveries)).toEqual(["1"]);
    bus.run((broker) => broker.setSessionState("s", "a", Buffer.from("state")));
    bus.crash({ compact: true });
    expect(accept).toThrow(/locked by another/);
    bus.advance(1_000);
    const again = accept();
    expect(again.granted).toBe("a");
    expect(again.receiver.deliveries[0]!.deliveryCount).toBe(1);
    expect(Buffer.from(bus.broker.sessionState("s", "a")!).toString()).toBe("state");
  });

  test("stops a loop of forwarding queues", () => {
    const bus = new TestBus({
      queues: [
        { name: "a", forwardTo: "b" },
        { name: "b", forwardTo: "a" },
      ],
    });
    bus.run((broker) => broker.send("a", [message("1")]));
    expect(bus.broker.entities.store("a/$DeadLetterQueue").messages.size).toBe(1);
  });
});
