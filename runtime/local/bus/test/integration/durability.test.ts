// What survives kill -9 of the bus process, seen through the real SDK.
import { ServiceBusClient } from "@azure/service-bus";
import { describe, expect, onTestFinished, test } from "vitest";
import { QUICK_RETRIES } from "../support/start-bus.ts";
import { startBusProcess } from "../support/bus-process.ts";

const connect = (connectionString: string) => new ServiceBusClient(connectionString, { retryOptions: QUICK_RETRIES });

describe("a killed bus", () => {
  test("keeps acknowledged messages, locks with their expiry, delivery counts and what was settled", async () => {
    await using bus = await startBusProcess({ queues: [{ name: "q", lockMs: 20_000, duplicateWindowMs: 60_000 }] });
    const before = connect(bus.connectionString);
    const sender = before.createSender("q");
    await sender.sendMessages([
      { body: "completed", messageId: "1" },
      { body: "held", messageId: "2" },
      { body: "left", messageId: "3" },
      { body: "abandoned", messageId: "4" },
    ]);
    await sender.scheduleMessages({ body: "scheduled", messageId: "5" }, new Date(Date.now() + 12_000));
    const receiver = before.createReceiver("q", { maxAutoLockRenewalDurationInMs: 0 });
    const [completed, held, left, abandoned] = await receiver.receiveMessages(4, { maxWaitTimeInMs: 10_000 });
    await receiver.completeMessage(completed!);
    await receiver.abandonMessage(abandoned!);
    await bus.restart();
    await before.close();

    const after = connect(bus.connectionString);
    onTestFinished(() => after.close());
    const reader = after.createReceiver("q", { maxAutoLockRenewalDurationInMs: 0 });
    await after.createSender("q").sendMessages({ body: "duplicate", messageId: "1" });
    const [again] = await reader.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    expect(again).toMatchObject({ body: "abandoned", deliveryCount: 1 });
    await reader.completeMessage(again!);
    // The two others are still locked. The owner settles one with its old token, and the other comes back at its old time.
    await reader.completeMessage(held!);
    const [scheduled] = await reader.receiveMessages(1, { maxWaitTimeInMs: 30_000 });
    expect(scheduled!.body).toBe("scheduled");
    await reader.completeMessage(scheduled!);
    const [returned] = await reader.receiveMessages(1, { maxWaitTimeInMs: 30_000 });
    expect(returned).toMatchObject({ body: "left", deliveryCount: 1 });
    expect(Date.now()).toBeGreaterThanOrEqual(left!.lockedUntilUtc!.getTime());
    expect(returned!.sequenceNumber!.equals(left!.sequenceNumber!)).toBe(true);
    await reader.completeMessage(returned!);
    expect(await reader.peekMessages(5)).toEqual([]);
  });
});
