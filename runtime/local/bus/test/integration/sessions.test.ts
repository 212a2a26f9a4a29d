// The real SDK against session queues of the local Service Bus.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBus, type BusFixture } from "../support/start-bus.ts";
import { eventuallyFound } from "../../../../../test/support/eventually.ts";

describe("sessions", () => {
  let fixture: BusFixture;
  let queues = 0;

  beforeAll(async () => {
    const names = Array.from({ length: 10 }, (_, index) => `s-${index}`);
    fixture = await startBus({
      queues: [
        ...names.map((name) => ({ name, requiresSession: true })),
        { name: "brief", requiresSession: true, lockMs: 3_000 },
        { name: "plain" },
      ],
    });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const open = (name = `s-${queues++}`) => {
    const client = fixture.client({ retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } });
    return { client, name, sender: client.createSender(name) };
  };

  test("keep the order within a session and serve sessions by name", async () => {
    const { client, name, sender } = open();
    await sender.sendMessages([1, 2, 3, 4, 5, 6].map((body) => ({ body, sessionId: body % 2 ? "odd" : "even" })));
    for (const [id, expected] of [
      ["even", [2, 4, 6]],
      ["odd", [1, 3, 5]],
    ] as const) {
      const session = await client.acceptSession(name, id);
      expect(session.sessionId).toBe(id);
      const messages = await session.receiveMessages(3, { maxWaitTimeInMs: 10_000 });
      expect(messages.map(({ body }) => body as unknown)).toEqual(expected);
      for (const message of messages) await session.completeMessage(message);
      await session.close();
    }
  });

  test("give out the next free session, then say that there is none", async () => {
    const { client, name, sender } = open();
    await sender.sendMessages([
      { body: 1, sessionId: "a" },
      { body: 2, sessionId: "b" },
    ]);
    const first = await client.acceptNextSession(name);
    const second = await client.acceptNextSession(name);
    expect([first.sessionId, second.sessionId]).toEqual(["a", "b"]);
    await expect(client.acceptNextSession(name)).rejects.toMatchObject({ code: "ServiceTimeout" });
    await first.close();
    const again = await client.acceptNextSession(name);
    expect(again.sessionId).toBe("a");
    const [message] = await again.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    expect(message).toMatchObject({ body: 1, deliveryCount: 0 });
  });

  test("wait for a session to appear", async () => {
    const { client, name, sender } = open();
    const accepting = client.acceptNextSession(name);
    await sender.sendMessages({ body: 1, sessionId: "late" });
    expect((await accepting).sessionId).toBe("late");
  });

  test("refuse a session that is locked", async () => {
    const { client, name, sender } = open();
    await sender.sendMessages({ body: 1, sessionId: "a" });
    const held = await client.acceptSession(name, "a");
    await expect(client.acceptSession(name, "a")).rejects.toMatchObject({ code: "SessionCannotBeLocked" });
    await held.close();
    await (await client.acceptSession(name, "a")).close();
  });

  test("keep the state of a session", async () => {
    const { client, name, sender } = open();
    await sender.sendMessages({ body: 1, sessionId: "a" });
    const session = await client.acceptSession(name, "a");
    expect(await session.getSessionState()).toBeFalsy();
    await session.setSessionState({ step: 2 });
    await session.close();
    const again = await client.acceptSession(name, "a");
    expect(await again.getSessionState()).toEqual({ step: 2 });
    await again.setSessionState(null);
    expect(await again.getSessionState()).toBeFalsy();
  });

  test("end a session lock at its time, count the delivery, and give the session to others", async () => {
    const { client, sender } = open("brief");
    await sender.sendMessages({ body: 1, sessionId: "a" });
    const session = await client.acceptSession("brief", "a", { maxAutoLockRenewalDurationInMs: 0 });
    const [message] = await session.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    const lockedUntil = await session.renewSessionLock();
    expect(lockedUntil.getTime()).toBeGreaterThan(Date.now());
    const other = await eventuallyFound(() =>
      client.acceptSession("brief", "a", { maxAutoLockRenewalDurationInMs: 0 }).catch(() => undefined),
    );
    expect(Date.now()).toBeGreaterThanOrEqual(lockedUntil.getTime());
    await expect(session.completeMessage(message!)).rejects.toMatchObject({ code: "SessionLockLost" });
    const [again] = await other.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    expect(again).toMatchObject({ body: 1, deliveryCount: 1 });
  });

  test("defer, peek and schedule within a session", async () => {
    const { client, name, sender } = open();
    await sender.sendMessages([
      { body: 1, sessionId: "a" },
      { body: 2, sessionId: "b" },
    ]);
    await sender.scheduleMessages({ body: 3, sessionId: "a" }, new Date(Date.now() + 300));
    const session = await client.acceptSession(name, "a");
    const [message] = await session.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    await session.deferMessage(message!);
    expect((await session.peekMessages(5)).map(({ body }) => body as unknown)).toEqual([1, 3]);
    const [deferred] = await session.receiveDeferredMessages(message!.sequenceNumber!);
    await session.completeMessage(deferred!);
    expect((await session.receiveMessages(1, { maxWaitTimeInMs: 20_000 }))[0]!.body).toBe(3);
  });

  test("refuse messages without a session, and receivers of the wrong kind", async () => {
    const { client, name, sender } = open();
    await expect(sender.sendMessages({ body: 1 })).rejects.toThrow(/session/);
    await expect(client.createReceiver(name).receiveMessages(1, { maxWaitTimeInMs: 100 })).rejects.toThrow(/sessions/);
    await expect(client.acceptSession("plain", "a")).rejects.toThrow(/session/);
  });
});
