// The real administration client against the local Service Bus.
import type { ServiceBusAdministrationClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectAdmin, startBus, type BusFixture } from "../support/start-bus.ts";

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

type AccessRight = "Manage" | "Send" | "Listen";
const rights = (...each: AccessRight[]): AccessRight[] => each;

describe("the administration API", () => {
  let fixture: BusFixture;
  let admin: ServiceBusAdministrationClient;

  beforeAll(async () => {
    fixture = await startBus({ queues: [{ name: "given", lockMs: 45_000 }] }, { adminPort: 0 });
    admin = connectAdmin(fixture.bus.adminConnectionString!);
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  test("creates, reads, lists, updates and deletes queues", async () => {
    const created = await admin.createQueue("made", {
      ...{ lockDuration: "PT1M", maxDeliveryCount: 7, requiresDuplicateDetection: true, requiresSession: true },
      ...{ duplicateDetectionHistoryTimeWindow: "PT2M", defaultMessageTimeToLive: "P1DT2H", userMetadata: "<a & b>" },
      ...{ deadLetteringOnMessageExpiration: true, forwardDeadLetteredMessagesTo: "given" },
    });
    expect(created).toMatchObject({ name: "made", lockDuration: "PT1M", maxDeliveryCount: 7 });
    expect(await admin.getQueue("MADE")).toMatchObject({
      ...{ name: "made", requiresDuplicateDetection: true, duplicateDetectionHistoryTimeWindow: "PT2M" },
      ...{ defaultMessageTimeToLive: "P1DT2H", userMetadata: "<a & b>", requiresSession: true, status: "Active" },
      forwardDeadLetteredMessagesTo: expect.stringMatching(/\/given$/) as unknown,
    });
    expect(await admin.getQueue("given")).toMatchObject({ lockDuration: "PT45S" });
    await expect(admin.createQueue("made")).rejects.toMatchObject({ code: "MessageEntityAlreadyExistsError" });
    await admin.updateQueue({ ...created, maxDeliveryCount: 9 });
    expect((await admin.getQueue("made")).maxDeliveryCount).toBe(9);
    expect((await all(admin.listQueues())).map(({ name }) => name).sort()).toEqual(["given", "made"]);
    expect(await admin.queueExists("made")).toBe(true);
    await admin.deleteQueue("made");
    expect(await admin.queueExists("made")).toBe(false);
    await expect(admin.getQueue("made")).rejects.toMatchObject({ code: "MessageEntityNotFoundError" });
    await expect(admin.createQueue("bad", { maxDeliveryCount: 3_000 })).rejects.toThrow(/maxDeliveryCount/);
  });

  test("keeps settings that have no effect, and answers the service's defaults", async () => {
    const authorizationRules = [
      { claimType: "SharedAccessKey", accessRights: rights("Manage", "Send", "Listen"), keyName: "all" },
      { claimType: "SharedAccessKey", accessRights: rights("Listen"), keyName: "one", primaryKey: "a+b/<=" },
    ];
    const flags = { enableBatchedOperations: false, enablePartitioning: true, enableExpress: true };
    const given = { ...flags, authorizationRules, duplicateDetectionHistoryTimeWindow: "PT2M" };
    const deadLetteringOnFilterEvaluationExceptions = false;
    await admin.createQueue("kept", given);
    await admin.createTopic("kept-t", { ...given, supportOrdering: false });
    await admin.createSubscription("kept-t", "s", {
      ...{ enableBatchedOperations: false, deadLetteringOnFilterEvaluationExceptions },
    });
    expect(await admin.getQueue("kept")).toMatchObject(given);
    expect(await admin.getTopic("kept-t")).toMatchObject({ ...given, supportOrdering: false });
    expect(await admin.getSubscription("kept-t", "s")).toMatchObject({
      ...{ enableBatchedOperations: false, deadLetteringOnFilterEvaluationExceptions },
    });
    await admin.createTopic("plain-t");
    expect(await admin.createQueue("plain-q")).toMatchObject({
      ...{ lockDuration: "PT1M", enableBatchedOperations: true, enablePartitioning: false, enableExpress: false },
      ...{ duplicateDetectionHistoryTimeWindow: "PT10M", authorizationRules: undefined },
    });
    expect(await admin.createSubscription("plain-t", "s")).toMatchObject({
      ...{ lockDuration: "PT1M", deadLetteringOnFilterEvaluationExceptions: true },
    });
  });

  test("refuses Premium settings, and changes that the service does not allow", async () => {
    await expect(admin.createQueue("premium", { maxMessageSizeInKilobytes: 1_024 })).rejects.toThrow(/Premium/);
    const queue = await admin.createQueue("undetected");
    await expect(admin.updateQueue({ ...queue, requiresDuplicateDetection: true })).rejects.toThrow(/duplicates/);
  });

  test("keeps rule actions and parameters, and lists rules by name", async () => {
    await admin.createTopic("acting");
    await admin.createSubscription("acting", "s");
    const rule = {
      filter: { sqlExpression: "n = @n AND text = @text", sqlParameters: { "@n": 1, "@text": "<b>" } },
      action: { sqlExpression: "SET a = @x; REMOVE n", sqlParameters: { "@x": true } },
    };
    await admin.createRule("acting", "s", "z-rule", rule.filter, rule.action);
    await admin.createRule("acting", "s", "a-rule", { subject: "x" });
    expect(await admin.getRule("acting", "s", "z-rule")).toMatchObject(rule);
    const names = (await all(admin.listRules("acting", "s"))).map(({ name }) => name);
    expect(names).toEqual(["$Default", "a-rule", "z-rule"]);
    await expect(
      admin.createRule("acting", "s", "bad", { sqlExpression: "1=1" }, { sqlExpression: "DROP TABLE" }),
    ).rejects.toThrow(/SQL action/);
  });

  test("lists page by page", async () => {
    await Promise.all(Array.from({ length: 205 }, (_, index) => admin.createQueue(`page-${index}`)));
    const names = (await all(admin.listQueues())).map(({ name }) => name).filter((name) => name.startsWith("page-"));
    expect(new Set(names).size).toBe(205);
  });

  test("creates, reads, lists, updates and deletes topics, subscriptions and rules", async () => {
    await admin.createTopic("t", { requiresDuplicateDetection: true });
    const subscription = await admin.createSubscription("t", "s", {
      ...{ maxDeliveryCount: 3, autoDeleteOnIdle: "PT10M" },
      defaultRuleOptions: { name: "first", filter: { sqlExpression: "a > 1" } },
    });
    expect(subscription).toMatchObject({ topicName: "t", subscriptionName: "s", autoDeleteOnIdle: "PT10M" });
    await admin.createRule("t", "s", "second", {
      ...{ subject: "x", applicationProperties: { n: 5, yes: true, text: "<>&'" } },
    });
    expect(await admin.getRule("t", "s", "second")).toMatchObject({
      filter: { subject: "x", applicationProperties: { n: 5, yes: true, text: "<>&'" } },
    });
    const rule = await admin.getRule("t", "s", "first");
    await admin.updateRule("t", "s", { ...rule, filter: { sqlExpression: "a > 2" } });
    expect((await all(admin.listRules("t", "s"))).map(({ name, filter }) => [name, filter])).toMatchObject([
      ["first", { sqlExpression: "a > 2" }],
      ["second", { subject: "x" }],
    ]);
    await expect(admin.createRule("t", "s", "bad", { sqlExpression: "a >" })).rejects.toThrow(/SQL filter/);
    await admin.deleteRule("t", "s", "second");
    expect(await all(admin.listRules("t", "s"))).toHaveLength(1);
    await admin.updateSubscription({ ...subscription, maxDeliveryCount: 4 });
    expect((await admin.getSubscription("t", "s")).maxDeliveryCount).toBe(4);
    expect(await all(admin.listSubscriptions("t"))).toHaveLength(1);
    expect((await all(admin.listTopics())).find(({ name }) => name === "t")).toMatchObject({
      requiresDuplicateDetection: true,
    });
    await admin.deleteSubscription("t", "s");
    await admin.deleteTopic("t");
    expect(await admin.topicExists("t")).toBe(false);
  });

  test("counts messages exactly, by their state", async () => {
    await admin.createQueue("counted");
    const client = fixture.client();
    const sender = client.createSender("counted");
    const receiver = client.createReceiver("counted");
    await sender.sendMessages([1, 2, 3, 4, 5].map((body) => ({ body })));
    await sender.scheduleMessages([{ body: 6 }, { body: 7 }], new Date(Date.now() + 60_000));
    const [first, second] = await receiver.receiveMessages(2, { maxWaitTimeInMs: 20_000 });
    await receiver.deadLetterMessage(first!);
    await receiver.deferMessage(second!);
    const counts = await admin.getQueueRuntimeProperties("counted");
    expect(counts).toMatchObject({
      ...{ activeMessageCount: 3, deadLetterMessageCount: 1, scheduledMessageCount: 2, totalMessageCount: 7 },
      transferDeadLetterMessageCount: 0,
    });
    expect(counts.sizeInBytes).toBeGreaterThan(0);
    await admin.createTopic("counted-topic");
    await admin.createSubscription("counted-topic", "s");
    await client.createSender("counted-topic").sendMessages([{ body: 1 }, { body: 2 }]);
    expect(await admin.getSubscriptionRuntimeProperties("counted-topic", "s")).toMatchObject({
      ...{ activeMessageCount: 2, totalMessageCount: 2 },
    });
    expect(await admin.getTopicRuntimeProperties("counted-topic")).toMatchObject({ subscriptionCount: 1 });
  });

  test("disables an entity", async () => {
    const queue = await admin.createQueue("switched");
    await admin.updateQueue({ ...queue, status: "SendDisabled" });
    const client = fixture.client();
    await expect(client.createSender("switched").sendMessages({ body: 1 })).rejects.toMatchObject({
      code: "MessagingEntityDisabled",
    });
  });

  test("tells receivers that their queue was deleted", async () => {
    await admin.createQueue("doomed");
    const receiver = fixture.client({ retryOptions: { maxRetries: 0, timeoutInMs: 2_000 } }).createReceiver("doomed");
    const failed = new Promise<unknown>((resolve) => {
      receiver.subscribe({
        processMessage: () => Promise.resolve(),
        processError: ({ error }) => {
          resolve(error);
          return Promise.resolve();
        },
      });
    });
    await admin.deleteQueue("doomed");
    expect(await failed).toMatchObject({ code: "MessagingEntityNotFound" });
  });

  test("answers for the namespace, and refuses a wrong key", async () => {
    expect(await admin.getNamespaceProperties()).toMatchObject({ messagingSku: "Standard" });
    const forged = fixture.bus.adminConnectionString!.replace(/SharedAccessKey=[^;]+/, "SharedAccessKey=d3Jvbmc=");
    const stranger = connectAdmin(forged);
    await expect(stranger.getQueue("given")).rejects.toMatchObject({ code: "UnauthorizedRequestError" });
  });
});
