/** The subscription of an API instance, when its connection is cut and when the broker loses it. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus, connectServiceBusAdmin, createEventSource } from "../../../runtime/azure/index.ts";
import type { PublishedEvent } from "../../../runtime/core/job/events.ts";
import { busTopology, DEFAULT_POOL, EVENTS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { connectAdmin } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { connectionOf, publishTo, type TestPublisher } from "../../support/events/test-events.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { silentLog } from "../../support/silent.ts";

const WAIT = { timeout: 60_000 };
let bus: LocalServiceBus;
let publisher: TestPublisher;

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology([DEFAULT_POOL]) });
  publisher = publishTo(bus);
});
afterAll(async () => {
  await publisher.close();
  await bus.close();
});

const jobId = (number: number): string => `acme.0000000000aaaaaaaa.00.${String(number).padStart(18, "0")}`;
const publish = (number: number): void =>
  publisher.events.queued({
    jobId: jobId(number),
    jobName: "n",
    jobType: "T",
    ring: 1,
    executions: 0,
    runAt: undefined,
  });

/** A source behind a proxy, and what it has told in order: numbers of jobs, and gaps. */
async function listen() {
  const proxy = await TcpProxy.to(bus.port);
  const through = bus.connectionString.replace(`:${bus.port}`, `:${proxy.port}`);
  const name = `test-${randomUUID().slice(0, 8)}`;
  const source = createEventSource({
    bus: connectServiceBus({ kind: "connection-string", serviceBus: through }, { listens: true }),
    admin: connectServiceBusAdmin(connectionOf(bus)),
    name,
    onUnreadable: () => undefined,
    log: silentLog,
  });
  const told: (number | "gap")[] = [];
  const onEvent = ({ event }: PublishedEvent): void => {
    if ("jobId" in event) told.push(Number(event.jobId.slice(-6)));
  };
  await source.listen(onEvent, () => void told.push("gap"));
  return {
    name,
    proxy,
    told,
    async [Symbol.asyncDispose]() {
      await source.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe("a source of events", () => {
  it("tells every event once, in order, and no gap while its connection holds", async () => {
    await using source = await listen();
    for (let number = 1; number <= 500; number++) publish(number);
    await expect.poll(() => source.told.length, WAIT).toBe(500);
    expect(source.told).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  });

  it("leaves no message at the broker, so nothing is settled or repeated", async () => {
    await using source = await listen();
    publish(1_001);
    await expect.poll(() => source.told, WAIT).toEqual([1_001]);
    const admin = connectAdmin(bus.adminConnectionString!);
    const { activeMessageCount } = await admin.getSubscriptionRuntimeProperties(EVENTS_TOPIC, source.name);
    expect(activeMessageCount).toBe(0);
  });

  it("tells a gap after each lost connection, before the events that follow", async () => {
    await using source = await listen();
    publish(2_001);
    await expect.poll(() => source.told, WAIT).toEqual([2_001]);
    for (const [index, number] of [2_002, 2_003].entries()) {
      source.proxy.cut();
      await expect.poll(() => source.told.filter((one) => one === "gap").length, WAIT).toBeGreaterThan(index);
      publish(number);
      await expect.poll(() => source.told.at(-1), WAIT).toBe(number);
    }
  });

  it("tells a gap when its subscription was lost, and then the events that follow", async () => {
    await using source = await listen();
    publish(3_001);
    await expect.poll(() => source.told, WAIT).toEqual([3_001]);
    await connectAdmin(bus.adminConnectionString!).deleteSubscription(EVENTS_TOPIC, source.name);
    await expect.poll(() => source.told, WAIT).toContain("gap");
    publish(3_002);
    await expect.poll(() => source.told.at(-1), WAIT).toBe(3_002);
  });
});
