/** Several schedulers over one table and one topic: every tick comes once, through outages of each. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import {
  connectServiceBus,
  createTickSender,
  createTimerStore,
  provisionStorage,
  type StorageClients,
} from "../../../runtime/azure/index.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import type { TickSender } from "../../../runtime/core/ports/timer-topic.ts";
import { LISTENER_PROPERTY, parseTick } from "../../../runtime/core/timer/tick.ts";
import { listenerOf, subscriptionNameOf, type Timer } from "../../../runtime/core/timer/timer.ts";
import { TIMERS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { TABLES } from "../../../runtime/core/deployment/storage-layout.ts";
import { createRound, startScheduler, type SchedulerDeps } from "../../../runtime/timers/schedule/scheduler.ts";
import { timerOf } from "../../support/builders.ts";
import { startBus, type BusFixture } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { silentLog } from "../../support/silent.ts";
import { ofAccount } from "../../support/stores/azurite.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const tenantName = freshTenant();
const START = new Date(Math.floor(Date.now() / 1_000) * 1_000);
const everySecond: Timer = timerOf({ tenantName, cron: "* * * * * *", activeFrom: START, scheduledUpTo: START });
const senders: TickSender[] = [];
let fixture: BusFixture;
/** Of this file alone: its scheduler looks at all timers, and others must not meet the one that it spoils. */
let storage: StorageClients;
let timers: TimerStore;

beforeAll(async () => {
  const filter = { kind: "correlation" as const, properties: { [LISTENER_PROPERTY]: listenerOf(everySecond) } };
  const subscriptions = [{ name: subscriptionNameOf(everySecond), rules: [{ name: "listener", filter }] }];
  fixture = await startBus({ topics: [{ name: TIMERS_TOPIC, duplicateWindowMs: 60_000, subscriptions }] });
  storage = testStorage(ofAccount(inject("storageConnectionString"), "scheduler"));
  await provisionStorage(storage);
  timers = createTimerStore({ storage });
});
afterAll(async () => {
  await Promise.all(senders.map((sender) => sender.close()));
  await fixture[Symbol.asyncDispose]();
});

function depsOf(): SchedulerDeps {
  const serviceBus = fixture.bus.connectionString;
  const sender = createTickSender({ bus: connectServiceBus({ kind: "connection-string", serviceBus }) });
  senders.push(sender);
  // Each looks again as soon as it has looked.
  const sleep = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
  return { timers, sender, now: () => new Date(), random: Math.random, sleep, log: silentLog };
}

async function receive(count: number): Promise<readonly string[]> {
  const receiver = fixture
    .client()
    .createReceiver(TIMERS_TOPIC, subscriptionNameOf(everySecond), { receiveMode: "receiveAndDelete" });
  const times: string[] = [];
  while (times.length < count) {
    const messages = await receiver.receiveMessages(count - times.length, { maxWaitTimeInMs: 10_000 });
    for (const { body } of messages) {
      const parsed = parseTick(body);
      if (parsed.ok) times.push(parsed.tick.scheduledAt);
    }
  }
  await receiver.close();
  return times;
}

describe("schedulers", () => {
  it("several schedulers send each tick once, at its time", async () => {
    await timers.write(everySecond, undefined);
    const schedulers = [depsOf(), depsOf(), depsOf()].map(startScheduler);
    const times = await receive(4);
    const last = Date.parse(times.at(-1)!);
    expect(Date.now()).toBeGreaterThanOrEqual(last);
    expect(times.toSorted()).toEqual([1, 2, 3, 4].map((s) => new Date(START.getTime() + s * 1_000).toISOString()));
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()));
    // What has been sent ahead comes while none of them runs.
    expect(await receive(2)).toEqual([5, 6].map((s) => new Date(START.getTime() + s * 1_000).toISOString()));
  });

  it("schedulers serve the other timers when one row cannot be read", async () => {
    const spoiled = timerOf({ tenantName, packageName: "a.zip", timerName: "Spoiled" });
    const sound = timerOf({ tenantName, packageName: "b.zip", timerName: "Sound", activeFrom: START });
    for (const timer of [spoiled, sound]) await timers.write(timer, undefined);
    await storage
      .table(TABLES.timers)
      .retrying.updateEntity({ partitionKey: tenantName, rowKey: "a.Spoiled", overlap: "nonsense" }, "Merge");
    const log = recordingLog();
    await createRound({ ...depsOf(), log })(new AbortController().signal);
    expect((await timers.get(sound))!.value.scheduledUpTo.getTime()).toBeGreaterThan(Date.now());
    expect(log.messages()).toEqual(["a timer cannot be scheduled; the others are"]);
    await expect(timers.get(spoiled)).rejects.toMatchObject({ code: "FormatUnknown" });
  });
});
