// The real SDK against queues of the local Service Bus.
import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBus, type BusFixture } from "../support/start-bus.ts";
import { eventuallyFound } from "../../../../../test/support/eventually.ts";

/** Without it the SDK renews locks by itself. */
const NO_RENEWAL = { maxAutoLockRenewalDurationInMs: 0 };

describe("queues", () => {
  let fixture: BusFixture;
  let queues = 0;

  beforeAll(async () => {
    fixture = await startBus({
      queues: [
        ...Array.from({ length: 20 }, (_, index) => ({ name: `plain-${index}`, lockMs: 30_000, maxDeliveryCount: 3 })),
        { name: "brief-lock", lockMs: 3_000, maxDeliveryCount: 2 },
        { name: "renewed", lockMs: 3_000 },
        { name: "unique", duplicateWindowMs: 60_000 },
        { name: "fleeting", timeToLiveMs: 200, deadLetterOnExpiry: true },
        { name: "vanishing", timeToLiveMs: 100 },
      ],
    });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const open = (name = `plain-${queues++}`) => {
    const client = fixture.client();
    return { client, name, sender: client.createSender(name), receiver: client.createReceiver(name, NO_RENEWAL) };
  };
  const one = async (receiver: {
    receiveMessages(count: number, options: object): Promise<ServiceBusReceivedMessage[]>;
  }): Promise<ServiceBusReceivedMessage> => {
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    return message!;
  };

  test("deliver body, properties and system properties as they were sent", async () => {
    const { sender, receiver } = open();
    const scheduled = new Date(2040, 1, 1);
    await sender.sendMessages({
      body: { text: "ä", list: [1, 2] },
      messageId: "id-1",
      subject: "label",
      correlationId: "c",
      contentType: "application/json",
      to: "to",
      replyTo: "reply",
      replyToSessionId: "rs",
      partitionKey: "p",
      timeToLive: 60_000,
      applicationProperties: { text: "x", whole: 7, fraction: 1.5, yes: true, at: scheduled, nothing: null },
    });
    const message = await one(receiver);
    expect(message).toMatchObject({
      body: { text: "ä", list: [1, 2] },
      ...{ messageId: "id-1", subject: "label", correlationId: "c", contentType: "application/json", to: "to" },
      ...{ replyTo: "reply", replyToSessionId: "rs", partitionKey: "p", timeToLive: 60_000, deliveryCount: 0 },
      applicationProperties: { text: "x", whole: 7, fraction: 1.5, yes: true, nothing: null },
      state: "active",
    });
    expect(Math.abs(message.enqueuedTimeUtc!.getTime() - Date.now())).toBeLessThan(60_000);
    expect(message.expiresAtUtc!.getTime() - message.enqueuedTimeUtc!.getTime()).toBe(60_000);
    expect(message.lockedUntilUtc!.getTime()).toBeGreaterThan(Date.now() + 20_000);
    await receiver.completeMessage(message);
    expect(await receiver.peekMessages(1)).toEqual([]);
  });

  test("keep the sender's priority and durability, also where the broker rewrites the message", async () => {
    const { client, name, sender, receiver } = open();
    const header = { priority: 20, durable: true };
    await sender.sendMessages({ body: "x", bodyType: "data", header });
    const first = await one(receiver);
    expect(first._rawAmqpMessage.header).toMatchObject(header);
    await receiver.deadLetterMessage(first, {
      deadLetterReason: "why",
      deadLetterErrorDescription: "because",
      extra: 1,
    });
    const letter = await one(client.createReceiver(name, { subQueueType: "deadLetter" }));
    expect(letter).toMatchObject({ body: "x", deadLetterReason: "why", applicationProperties: { extra: 1 } });
    expect(letter._rawAmqpMessage.header).toMatchObject(header);
  });

  test("keep the order of batches and single sends", async () => {
    const { sender, receiver } = open();
    const batch = await sender.createMessageBatch();
    for (let index = 0; index < 50; index++) batch.tryAddMessage({ body: index });
    await sender.sendMessages(batch);
    await sender.sendMessages([{ body: 50 }, { body: 51 }]);
    const bodies: unknown[] = [];
    while (bodies.length < 52) {
      for (const message of await receiver.receiveMessages(52, { maxWaitTimeInMs: 20_000 })) {
        bodies.push(message.body);
        await receiver.completeMessage(message);
      }
    }
    expect(bodies).toEqual(Array.from({ length: 52 }, (_, index) => index));
  });

  test("deliver an abandoned message again with a higher count, the same sequence number and changed properties", async () => {
    const { sender, receiver } = open();
    await sender.sendMessages({ body: "x", applicationProperties: { kept: "a", changed: 1 } });
    const first = await one(receiver);
    await receiver.abandonMessage(first, { changed: 2, added: "b" });
    const second = await one(receiver);
    expect(second.deliveryCount).toBe(1);
    expect(second.sequenceNumber!.equals(first.sequenceNumber!)).toBe(true);
    expect(second.lockToken).not.toBe(first.lockToken);
    expect(second.applicationProperties).toEqual({ kept: "a", changed: 2, added: "b" });
  });

  test("dead-letter with reason and description, and serve the dead-letter queue", async () => {
    const { client, name, sender, receiver } = open();
    await sender.sendMessages({ body: "bad", applicationProperties: { kept: 1 } });
    await receiver.deadLetterMessage(await one(receiver), {
      deadLetterReason: "Broken",
      deadLetterErrorDescription: "It was broken.",
      extra: "e",
    });
    const letters = client.createReceiver(name, { subQueueType: "deadLetter" });
    const letter = await one(letters);
    expect(letter).toMatchObject({
      body: "bad",
      deadLetterReason: "Broken",
      deadLetterErrorDescription: "It was broken.",
      applicationProperties: { kept: 1, extra: "e" },
    });
    await letters.completeMessage(letter);
    expect(await letters.peekMessages(1)).toEqual([]);
  });

  test("dead-letter after the last delivery", async () => {
    const { client, name, sender, receiver } = open();
    await sender.sendMessages({ body: "x" });
    for (let delivery = 0; delivery < 3; delivery++) await receiver.abandonMessage(await one(receiver));
    const letter = await one(client.createReceiver(name, { subQueueType: "deadLetter" }));
    expect(letter).toMatchObject({ deadLetterReason: "MaxDeliveryCountExceeded", deliveryCount: 3 });
  });

  test("end a lock at its time, refuse its token, and deliver the message again", async () => {
    const { client, name, sender, receiver } = open("brief-lock");
    await sender.sendMessages({ body: "x" });
    const first = await one(receiver);
    const second = await one(client.createReceiver(name, NO_RENEWAL));
    // At once, because its lock is as brief.
    await receiver.completeMessage(second);
    expect(second.deliveryCount).toBe(1);
    expect(second.sequenceNumber!.equals(first.sequenceNumber!)).toBe(true);
    await expect(receiver.completeMessage(first)).rejects.toMatchObject({ code: "MessageLockLost" });
    await expect(receiver.renewMessageLock(first)).rejects.toMatchObject({ code: "MessageLockLost" });
  });

  test("keep a renewed lock", async () => {
    const { client, name, sender, receiver } = open("renewed");
    await sender.sendMessages({ body: "x" });
    const message = await one(receiver);
    const other = client.createReceiver(name);
    const until = performance.now() + 4_000;
    while (performance.now() < until) {
      const lockedUntil = await receiver.renewMessageLock(message);
      expect(lockedUntil.getTime()).toBeGreaterThan(Date.now());
      expect(await other.receiveMessages(1, { maxWaitTimeInMs: 200 })).toEqual([]);
    }
    await receiver.completeMessage(message);
  });

  test("settle over the management link after the receiver was closed", async () => {
    const { client, name, sender, receiver } = open();
    await sender.sendMessages([{ body: "a" }, { body: "b" }, { body: "c" }]);
    const messages = [await one(receiver), await one(receiver), await one(receiver)];
    await receiver.close();
    const other = client.createReceiver(name);
    await other.completeMessage(messages[0]!);
    await other.abandonMessage(messages[1]!, { note: "n" });
    await other.deadLetterMessage(messages[2]!, { deadLetterReason: "r", deadLetterErrorDescription: "d" });
    expect(await one(other)).toMatchObject({ body: "b", applicationProperties: { note: "n" } });
    expect(await one(client.createReceiver(name, { subQueueType: "deadLetter" }))).toMatchObject({
      ...{ body: "c", deadLetterReason: "r" },
    });
  });

  test("drop duplicates within the window, also scheduled ones", async () => {
    const { sender, receiver } = open("unique");
    await sender.sendMessages({ body: 1, messageId: "a" });
    await sender.sendMessages({ body: 2, messageId: "a" });
    await sender.scheduleMessages({ body: 3, messageId: "b" }, new Date(Date.now() + 60_000));
    await sender.sendMessages([
      { body: 4, messageId: "b" },
      { body: 5, messageId: "c" },
    ]);
    const peeked = await receiver.peekMessages(10);
    expect(peeked.map(({ body }) => body as unknown)).toEqual([1, 3, 5]);
  });

  test("hold scheduled messages until their time, give them a new number then, and cancel them", async () => {
    const { sender, receiver } = open();
    const at = new Date(Date.now() + 5_000);
    const [kept, canceled] = await sender.scheduleMessages([{ body: "kept" }, { body: "canceled" }], at);
    await sender.cancelScheduledMessages(canceled!);
    await expect(sender.cancelScheduledMessages(canceled!)).rejects.toMatchObject({ code: "MessageNotFound" });
    expect((await receiver.peekMessages(5)).map(({ body, state }) => [body as unknown, state])).toEqual([
      ["kept", "scheduled"],
    ]);
    const message = await one(receiver);
    expect(message.body).toBe("kept");
    expect(Date.now()).toBeGreaterThanOrEqual(at.getTime());
    expect(message.sequenceNumber!.greaterThan(kept!)).toBe(true);
    await sender.sendMessages({ body: "later", scheduledEnqueueTimeUtc: new Date(Date.now() + 200) });
    expect((await one(receiver)).body).toBe("later");
  });

  test("defer, receive deferred, and settle what was deferred", async () => {
    const { sender, receiver } = open();
    await sender.sendMessages([{ body: "a" }, { body: "b" }]);
    const [a, b] = [await one(receiver), await one(receiver)];
    await receiver.deferMessage(a, { why: "later" });
    await receiver.deferMessage(b);
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 100 })).toEqual([]);
    const [deferred] = await receiver.receiveDeferredMessages(a.sequenceNumber!);
    expect(deferred).toMatchObject({ body: "a", state: "deferred", applicationProperties: { why: "later" } });
    await expect(receiver.receiveDeferredMessages(a.sequenceNumber!)).rejects.toMatchObject({
      code: "MessageNotFound",
    });
    await receiver.abandonMessage(deferred!);
    const [again] = await receiver.receiveDeferredMessages(a.sequenceNumber!);
    await receiver.completeMessage(again!);
    const remover = fixture.client().createReceiver(receiver.entityPath, { receiveMode: "receiveAndDelete" });
    expect((await remover.receiveDeferredMessages(b.sequenceNumber!))[0]!.body).toBe("b");
    expect(await receiver.peekMessages(1)).toEqual([]);
  });

  test("remove messages on delivery in receive-and-delete mode", async () => {
    const { client, name, sender, receiver } = open();
    await sender.sendMessages([{ body: 1 }, { body: 2 }]);
    const remover = client.createReceiver(name, { receiveMode: "receiveAndDelete" });
    expect((await one(remover)).body).toBe(1);
    expect((await receiver.peekMessages(5)).map(({ body }) => body as unknown)).toEqual([2]);
  });

  test("peek messages of any state in order, page by page", async () => {
    const { sender, receiver } = open();
    await sender.sendMessages(Array.from({ length: 25 }, (_, index) => ({ body: index })));
    await receiver.deferMessage(await one(receiver));
    const pages = [await receiver.peekMessages(10), await receiver.peekMessages(10), await receiver.peekMessages(10)];
    expect(pages.map((page) => page.length)).toEqual([10, 10, 5]);
    expect(pages.flat().map(({ body }) => body as unknown)).toEqual(Array.from({ length: 25 }, (_, index) => index));
    expect(pages[0]![0]!.state).toBe("deferred");
    const from = pages[1]![0]!.sequenceNumber!;
    expect((await receiver.peekMessages(1, { fromSequenceNumber: from }))[0]!.body).toBe(10);
  });

  test("dead-letter or remove expired messages without a receiver", async () => {
    const { client, name, sender } = open("fleeting");
    await sender.sendMessages([{ body: "x" }, { body: "longer than the queue allows", timeToLive: 60_000 }]);
    const letters = client.createReceiver(name, { subQueueType: "deadLetter" });
    expect(await one(letters)).toMatchObject({ body: "x", deadLetterReason: "TTLExpiredException" });
    expect((await one(letters)).body).toBe("longer than the queue allows");
    const vanishing = open("vanishing");
    await vanishing.sender.sendMessages({ body: "x" });
    await eventuallyFound(async () => {
      // A receiver continues to peek where it stopped, so a new one starts at the beginning.
      const fresh = vanishing.client.createReceiver("vanishing");
      return (await fresh.peekMessages(1)).length === 0;
    });
  });

  test("deliver each message to one of several subscribers", async () => {
    const { client, name, sender } = open();
    const seen: unknown[] = [];
    const subscriptions = [1, 2, 3].map(() =>
      client.createReceiver(name).subscribe(
        {
          processMessage: (message) => {
            seen.push(message.body);
            return Promise.resolve();
          },
          processError: ({ error }) => Promise.reject(error),
        },
        { maxConcurrentCalls: 4 },
      ),
    );
    for (let index = 0; index < 100; index++) await sender.sendMessages({ body: index });
    await eventuallyFound(() => seen.length >= 100);
    for (const subscription of subscriptions) await subscription.close();
    expect(new Set(seen).size).toBe(100);
    expect(seen).toHaveLength(100);
    expect(await client.createReceiver(name).peekMessages(1)).toEqual([]);
  });

  test("lose nothing over hundreds of short receives that end with a drain", { timeout: 180_000 }, async () => {
    const { sender, receiver } = open();
    const total = 300;
    let received = 0;
    const sending = (async () => {
      for (let index = 0; index < total; index++) await sender.sendMessages({ body: index });
    })();
    while (received < total) {
      for (const message of await receiver.receiveMessages(3, { maxWaitTimeInMs: 5 })) {
        expect(message.deliveryCount).toBe(0);
        await receiver.completeMessage(message);
        received++;
      }
    }
    await sending;
    expect(await receiver.peekMessages(1)).toEqual([]);
  });
});
