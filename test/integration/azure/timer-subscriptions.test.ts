/** Subscriptions of timers, made with the real administration client on a local Service Bus. */
import type { ServiceBusAdministrationClient } from "@azure/service-bus";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTimerSubscriptions } from "../../../runtime/azure/bus/timer-topic.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { TimerSubscriptions } from "../../../runtime/core/ports/timer-topic.ts";
import { outgoingTick } from "../../../runtime/core/timer/tick.ts";
import type { TimerName } from "../../../runtime/core/timer/timer.ts";
import {
  busTopology,
  subscriptionOf,
  timerSubscription,
  TIMERS_TOPIC,
} from "../../../runtime/core/deployment/topology.ts";
import { connectAdmin, startBus, type BusFixture } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { eventuallyFound } from "../../support/eventually.ts";

const OTHER_QUEUE = "jobs-gpu-normal";
const RULE = "$Default";

let fixture: BusFixture;
let admin: ServiceBusAdministrationClient;
let subscriptions: TimerSubscriptions;
beforeAll(async () => {
  fixture = await startBus(busTopology(["default", "gpu"]), { adminPort: 0 });
  admin = connectAdmin(fixture.bus.adminConnectionString!);
  subscriptions = createTimerSubscriptions({ admin });
});
afterAll(() => fixture[Symbol.asyncDispose]());

let count = 0;
let timer: TimerName & { pool: string; priority: "normal" };
beforeEach(() => {
  timer = {
    tenantName: "acme",
    packageName: "pack.zip",
    timerName: `t${++count}`,
    pool: "default",
    priority: "normal",
  };
});

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const nameOf = (): string => subscriptionOf(timer).name;
const rules = async () =>
  (await all(admin.listRules(TIMERS_TOPIC, nameOf()))).map(({ name, filter }) => ({ name, filter }));
const right = (): object[] => [{ name: RULE, filter: { sqlExpression: `Listener = 'acme.pack.${timer.timerName}'` } }];
const forwardsTo = async (): Promise<string | undefined> =>
  (await admin.getSubscription(TIMERS_TOPIC, nameOf())).forwardTo?.split("/").at(-1);

/** As a deployment would make it. */
const deploy = (queue: string, expression: string) =>
  admin.createSubscription(TIMERS_TOPIC, nameOf(), {
    forwardTo: queue,
    defaultRuleOptions: { name: RULE, filter: { sqlExpression: expression } },
  });

describe("a timer's subscription", () => {
  it("is made with one rule, forwards to its queue, and stays as it is when it is ensured again", async () => {
    expect(await subscriptions.ensure(subscriptionOf(timer))).toBe("made");
    expect(await rules()).toMatchObject(right());
    expect(await forwardsTo()).toBe("jobs-default-normal");
    expect(await subscriptions.ensure(subscriptionOf(timer))).toBe("unchanged");
    expect(await rules()).toHaveLength(1);
    expect(await subscriptions.list()).toContainEqual({ name: nameOf(), isOurs: true, queue: "jobs-default-normal" });
  });

  it("is made once by several processes at the same time", async () => {
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => subscriptions.ensure(subscriptionOf(timer))));
    expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "unchanged")).toHaveLength(4);
    expect(await rules()).toHaveLength(1);
  });

  it("passes its own ticks on to the queue, and no other's", async () => {
    const other = { ...timer, timerName: `${timer.timerName}x` };
    await subscriptions.ensure(subscriptionOf(timer));
    const client = fixture.client();
    const sender = client.createSender(TIMERS_TOPIC);
    for (const one of [other, timer]) {
      const { tick, messageId, listener } = outgoingTick(one, "hash", new Date("2026-01-01T00:00:00Z"));
      await sender.sendMessages({ body: tick, messageId, applicationProperties: { Listener: listener } });
    }
    const receiver = client.createReceiver("jobs-default-normal", { receiveMode: "receiveAndDelete" });
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    expect(message?.body).toMatchObject({ timerName: timer.timerName });
    await eventuallyFound(async () => (await receiver.peekMessages(1)).length === 0);
  });

  it("goes to another queue when its timer does", async () => {
    await subscriptions.ensure(subscriptionOf(timer));
    expect(await subscriptions.ensure(subscriptionOf({ ...timer, pool: "gpu" }))).toBe("mended");
    expect(await forwardsTo()).toBe(OTHER_QUEUE);
    // Its mark and its other settings are as they were.
    expect(await subscriptions.list()).toContainEqual({ name: nameOf(), isOurs: true, queue: OTHER_QUEUE });
    expect(await admin.getSubscription(TIMERS_TOPIC, nameOf())).toMatchObject({
      maxDeliveryCount: timerSubscription(subscriptionOf(timer)).maxDeliveryCount,
    });
    expect(await rules()).toMatchObject(right());
  });

  it("gets its one rule back, whatever was done to its rules", async () => {
    await subscriptions.ensure(subscriptionOf(timer));
    const rule = await admin.getRule(TIMERS_TOPIC, nameOf(), RULE);
    await admin.updateRule(TIMERS_TOPIC, nameOf(), { ...rule, filter: { sqlExpression: "1=1" } });
    await admin.createRule(TIMERS_TOPIC, nameOf(), "another", { subject: "x" });
    expect(await subscriptions.ensure(subscriptionOf(timer))).toBe("mended");
    expect(await rules()).toMatchObject(right());
    await admin.deleteRule(TIMERS_TOPIC, nameOf(), RULE);
    expect(await subscriptions.ensure(subscriptionOf(timer))).toBe("mended");
    expect(await rules()).toMatchObject(right());
  });

  it("is a matter of the deployment when that made it: neither changed nor removed", async () => {
    await deploy(OTHER_QUEUE, "Listener = 'something.else'");
    expect(await subscriptions.ensure(subscriptionOf(timer))).toBe("foreign");
    expect(await forwardsTo()).toBe(OTHER_QUEUE);
    expect(await rules()).toMatchObject([{ name: RULE, filter: { sqlExpression: "Listener = 'something.else'" } }]);
    await subscriptions.remove(nameOf());
    expect(await subscriptions.list()).toContainEqual({ name: nameOf(), isOurs: false, queue: OTHER_QUEUE });
  });

  it("is right as the deployment makes it", async () => {
    await deploy("jobs-default-normal", `Listener = 'acme.pack.${timer.timerName}'`);
    expect(await subscriptions.ensure(subscriptionOf(timer))).toBe("unchanged");
  });

  it("is removed when it is ours, however often", async () => {
    await subscriptions.ensure(subscriptionOf(timer));
    await Promise.all([subscriptions.remove(nameOf()), subscriptions.remove(nameOf())]);
    await subscriptions.remove(nameOf());
    expect((await subscriptions.list()).map(({ name }) => name)).not.toContain(nameOf());
  });

  it("has a short name of its own for a long listener", async () => {
    const long = { ...timer, packageName: `${"p".repeat(60)}.zip` };
    const [first, second] = [subscriptionOf(long), subscriptionOf({ ...long, timerName: "Other" })];
    expect(first.name).not.toBe(second.name);
    for (const one of [first, second]) expect(await subscriptions.ensure(one)).toBe("made");
    expect((await all(admin.listRules(TIMERS_TOPIC, first.name)))[0]?.filter).toMatchObject({
      sqlExpression: `Listener = 'acme.${"p".repeat(60)}.${timer.timerName}'`,
    });
  });

  it("cannot be made for a queue that is not there", async () => {
    const refused = subscriptions.ensure(subscriptionOf({ ...timer, pool: "nowhere" }));
    await expect(refused).rejects.toThrow(UnavailableError);
  });
});
