import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus, createTickSender } from "../../../runtime/azure/index.ts";
import type { TickSender } from "../../../runtime/core/ports/timer-topic.ts";
import { LISTENER_PROPERTY, outgoingTick, parseTick } from "../../../runtime/core/timer/tick.ts";
import { listenerOf, scheduleHashOf, subscriptionNameOf } from "../../../runtime/core/timer/timer.ts";
import { TIMERS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { timerOf } from "../../support/builders.ts";
import { startBus, type BusFixture } from "../../../runtime/local/bus/test/support/start-bus.ts";

const timer = timerOf();
const other = timerOf({ timerName: "Other" });
const hash = scheduleHashOf(timer);
let fixture: BusFixture;
let sender: TickSender;

beforeAll(async () => {
  const subscriptions = [timer, other].map((one) => ({
    name: subscriptionNameOf(one),
    rules: [
      {
        name: "listener",
        filter: { kind: "correlation" as const, properties: { [LISTENER_PROPERTY]: listenerOf(one) } },
      },
    ],
  }));
  fixture = await startBus({ topics: [{ name: TIMERS_TOPIC, duplicateWindowMs: 60_000, subscriptions }] });
  const serviceBus = fixture.bus.connectionString;
  sender = createTickSender({ bus: connectServiceBus({ kind: "connection-string", serviceBus }) });
});
afterAll(async () => {
  await sender.close();
  await fixture[Symbol.asyncDispose]();
});

async function receive(count: number) {
  const receiver = fixture
    .client()
    .createReceiver(TIMERS_TOPIC, subscriptionNameOf(timer), { receiveMode: "receiveAndDelete" });
  const found = [];
  while (found.length < count) found.push(...(await receiver.receiveMessages(count, { maxWaitTimeInMs: 10_000 })));
  found.push(...(await receiver.receiveMessages(10, { maxWaitTimeInMs: 100 })));
  await receiver.close();
  return found;
}

describe("ticks", () => {
  it("ticks reach only the subscription of their timer, once, however often they are sent", async () => {
    const at = new Date("2026-03-01T08:00:00Z");
    const ticks = [outgoingTick(timer, hash, at), outgoingTick(other, hash, at)];
    await sender.send(ticks);
    await sender.send(ticks);
    const messages = await receive(1);
    expect(messages.map(({ body }) => parseTick(body))).toEqual([{ ok: true, tick: ticks[0]!.tick }]);
    expect(messages[0]).toMatchObject({ messageId: ticks[0]!.messageId, contentType: "application/json" });
  });

  it("wait with the broker for their time", async () => {
    const due = new Date(Date.now() + 400);
    await sender.send([outgoingTick(timer, hash, due)]);
    await receive(1);
    expect(Date.now()).toBeGreaterThanOrEqual(due.getTime());
  });

  it("are sent in as many messages as the broker takes", async () => {
    const start = Date.parse("2020-01-01T00:00:00Z");
    const ticks = Array.from({ length: 2_000 }, (_, i) => outgoingTick(timer, hash, new Date(start + i * 1_000)));
    await sender.send(ticks);
    const messages = await receive(2_000);
    expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(2_000);
    expect(messages).toHaveLength(2_000);
  });

  it("ticks that the broker does not accept are an outage", async () => {
    await using lonely = await startBus({});
    const serviceBus = lonely.bus.connectionString;
    const nobody = createTickSender({ bus: connectServiceBus({ kind: "connection-string", serviceBus }) });
    const sending = nobody.send([outgoingTick(timer, hash, new Date(0))]);
    await expect(sending).rejects.toMatchObject({ code: "BusUnavailable" });
    await nobody.close();
  });
});
