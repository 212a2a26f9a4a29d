// The real SDK against topics, subscriptions and rules of the local Service Bus.
import type { CorrelationRuleFilter, ServiceBusReceiver, SqlRuleFilter } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBus, type BusFixture } from "../support/start-bus.ts";

const bodies = async (receiver: ServiceBusReceiver, count: number): Promise<unknown[]> => {
  const found: unknown[] = [];
  while (found.length < count) {
    const messages = await receiver.receiveMessages(count - found.length, { maxWaitTimeInMs: 20_000 });
    if (messages.length === 0) break;
    for (const message of messages) {
      found.push(message.body);
      await receiver.completeMessage(message);
    }
  }
  return found;
};

describe("topics", () => {
  let fixture: BusFixture;

  beforeAll(async () => {
    fixture = await startBus({
      queues: [{ name: "end" }, { name: "hop-1", forwardTo: "hop-2" }, { name: "hop-2", forwardTo: "hop-3" }].concat(
        ["hop-3", "hop-4", "hop-5"].map((name, index) => ({ name, forwardTo: `hop-${index + 4}` })),
        [{ name: "hop-6" }, { name: "lost-target", forwardTo: "nowhere" }],
      ),
      topics: [
        {
          name: "events",
          duplicateWindowMs: 60_000,
          subscriptions: [
            { name: "all" },
            { name: "none", rules: [{ name: "never", filter: { kind: "false" } }] },
            {
              name: "large",
              rules: [{ name: "r", filter: { kind: "sql", expression: "size > 10 AND sys.Label LIKE 'a%'" } }],
            },
            {
              name: "exact",
              rules: [
                { name: "r1", filter: { kind: "correlation", system: { subject: "abc" }, properties: { size: 20 } } },
                { name: "r2", filter: { kind: "correlation", properties: { other: true } } },
              ],
            },
            { name: "forwarding", forwardTo: "end" },
          ],
        },
        { name: "acting", subscriptions: [{ name: "s" }] },
        { name: "edited", subscriptions: [{ name: "s" }] },
        { name: "later", subscriptions: [{ name: "s" }] },
        { name: "sessions", subscriptions: [{ name: "s", requiresSession: true }] },
      ],
    });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  test("copy a message to every subscription with a matching rule", async () => {
    const client = fixture.client();
    const sender = client.createSender("events");
    await sender.sendMessages([
      { body: 1, messageId: "1", subject: "abc", applicationProperties: { size: 20 } },
      { body: 2, messageId: "2", subject: "abc", applicationProperties: { size: 5 } },
      { body: 3, messageId: "3", subject: "xyz", applicationProperties: { size: 20, other: true } },
      { body: 4, messageId: "3", subject: "duplicate" },
    ]);
    expect(await bodies(client.createReceiver("events", "all"), 3)).toEqual([1, 2, 3]);
    expect(await bodies(client.createReceiver("events", "large"), 1)).toEqual([1]);
    expect(await bodies(client.createReceiver("events", "exact"), 2)).toEqual([1, 3]);
    expect(await bodies(client.createReceiver("end"), 3)).toEqual([1, 2, 3]);
    for (const name of ["all", "large", "exact", "none"]) {
      expect(await client.createReceiver("events", name).peekMessages(5)).toEqual([]);
    }
  });

  test("let the rule manager add, list and remove rules", async () => {
    const client = fixture.client();
    const rules = client.createRuleManager("edited", "s");
    const listed = async () => {
      const found: Record<string, unknown> = {};
      for await (const rule of rules.listRules()) found[rule.name] = rule.filter;
      return found;
    };
    expect(await listed()).toEqual({ $Default: { sqlExpression: "1=1" } });
    await rules.deleteRule("$Default");
    await rules.createRule("sql", { sqlExpression: "colour IN ('red', 'blue')" } satisfies SqlRuleFilter);
    await rules.createRule("correlation", {
      ...{ subject: "s", applicationProperties: { a: 1, b: "x" } },
    } satisfies CorrelationRuleFilter);
    await expect(rules.createRule("sql", { sqlExpression: "1=1" })).rejects.toMatchObject({
      code: "MessagingEntityAlreadyExists",
    });
    await expect(rules.createRule("bad", { sqlExpression: "colour ==" })).rejects.toThrow(/SQL filter/);
    await expect(rules.deleteRule("absent")).rejects.toThrow(/could not be found/);
    expect(await listed()).toMatchObject({
      sql: { sqlExpression: "colour IN ('red', 'blue')" },
      correlation: { subject: "s", applicationProperties: { a: 1, b: "x" } },
    });
    const sender = client.createSender("edited");
    await sender.sendMessages([
      { body: "red", applicationProperties: { colour: "red" } },
      { body: "green", applicationProperties: { colour: "green" } },
      { body: "correlated", subject: "s", applicationProperties: { a: 1, b: "x" } },
    ]);
    expect(await bodies(client.createReceiver("edited", "s"), 2)).toEqual(["red", "correlated"]);
  });

  test("change the copies of rules with an action, and leave one for those without", async () => {
    const client = fixture.client();
    const rules = client.createRuleManager("acting", "s");
    await rules.createRule(
      "marks",
      { sqlExpression: "colour = 'red'" },
      {
        sqlExpression: "SET sys.Label = 'hot'; SET weight = weight * 2; REMOVE colour; SET sys.CorrelationId = newid()",
      },
    );
    const names: string[] = [];
    for await (const { name, action } of rules.listRules()) names.push(`${name}: ${action.sqlExpression ?? ""}`);
    expect(names).toEqual(["$Default: ", expect.stringMatching(/^marks: SET sys\.Label/)]);
    await expect(rules.createRule("marks", { sqlExpression: "1=1" })).rejects.toThrow(
      /The messaging entity '.*marks' already exists/,
    );
    await client.createSender("acting").sendMessages({
      ...{ body: "b", subject: "cold", messageId: "m", applicationProperties: { colour: "red", weight: 4, kept: 1.5 } },
    });
    const copies = await client.createReceiver("acting", "s").receiveMessages(2, { maxWaitTimeInMs: 20_000 });
    const more = copies.length < 2 ? await client.createReceiver("acting", "s").receiveMessages(1) : [];
    expect([...copies, ...more]).toMatchObject([
      { body: "b", subject: "cold", messageId: "m", applicationProperties: { colour: "red", weight: 4, kept: 1.5 } },
      { body: "b", subject: "hot", messageId: "m", correlationId: expect.stringMatching(/^[\da-f-]{36}$/) as unknown },
    ]);
    expect([...copies, ...more][1]!.applicationProperties).toEqual({ weight: 8, kept: 1.5 });
  });

  test("schedule and cancel on a topic", async () => {
    const client = fixture.client();
    const sender = client.createSender("later");
    const receiver = client.createReceiver("later", "s");
    const at = new Date(Date.now() + 5_000);
    const numbers = await sender.scheduleMessages([{ body: "kept" }, { body: "canceled" }], at);
    await sender.cancelScheduledMessages(numbers[1]!);
    expect(await receiver.peekMessages(1)).toEqual([]);
    expect(await bodies(receiver, 1)).toEqual(["kept"]);
    expect(Date.now()).toBeGreaterThanOrEqual(at.getTime());
  });

  test("serve the dead-letter queue of a subscription", async () => {
    const client = fixture.client();
    await client.createSender("sessions").sendMessages({ body: "without a session" });
    const letters = client.createReceiver("sessions", "s", { subQueueType: "deadLetter" });
    const [letter] = await letters.receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    expect(letter).toMatchObject({ body: "without a session", deadLetterReason: "Session ID is null." });
  });

  test("forward at most four times, then dead-letter", async () => {
    const client = fixture.client();
    await client.createSender("hop-3").sendMessages({ body: "three hops" });
    expect(await bodies(client.createReceiver("hop-6"), 1)).toEqual(["three hops"]);
    await client.createSender("hop-1").sendMessages({ body: "five hops" });
    const letters = client.createReceiver("hop-5", { subQueueType: "deadLetter" });
    const [letter] = await letters.receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    expect(letter).toMatchObject({ body: "five hops", deadLetterReason: "MaxTransferHopCountExceeded" });
    await expect(client.createReceiver("hop-1").receiveMessages(1, { maxWaitTimeInMs: 200 })).rejects.toThrow(
      /forwards/,
    );
  });

  test("keep what cannot be forwarded in the transfer dead-letter queue", async () => {
    const client = fixture.client();
    await client.createSender("lost-target").sendMessages({ body: "x" });
    const letters = client.createReceiver("lost-target", { subQueueType: "transferDeadLetter" });
    expect((await letters.receiveMessages(1, { maxWaitTimeInMs: 20_000 }))[0]!.body).toBe("x");
  });

  test("refuse to receive from a topic", async () => {
    const receiver = fixture.client().createReceiver("events");
    await expect(receiver.receiveMessages(1, { maxWaitTimeInMs: 200 })).rejects.toThrow(/topic/);
  });
});
