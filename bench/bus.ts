/**
 * Measures the local Service Bus under load: durable, in a separate process, with the unmodified SDK in this one. Rates
 * count acknowledged operations.
 */
import { ServiceBusClient, type ServiceBusReceiver, type ServiceBusSender } from "@azure/service-bus";
import { startBusProcess } from "../runtime/local/bus/test/support/bus-process.ts";
import { inFlight, type Options, type Report, reportRate, reportTimes } from "./suite.ts";

const BODY = Buffer.alloc(256, "x");
const QUEUES = ["idle", "single", "batched", "drained", "many"].map((name) => ({ name, lockMs: 300_000 }));

export const run = (report: Report, { quick }: Options): Promise<void> =>
  withBus(QUEUES, async (connect) => {
    const times = (count: number): number => (quick ? Math.ceil(count / 20) : count);
    const client = connect();
    reportTimes(report, "idle send to handler", await idleHops(client, "idle", times(400)));

    const single = client.createSender("single");
    await sendSingles(single, times(2_000), 256);
    const rate = (name: string, count: number, work: () => Promise<unknown>): Promise<void> =>
      reportRate(report, { name, count, unit: "messages/s" }, work);
    for (const [total, atOnce] of [
      [2_000, 1],
      [20_000, 32],
      [40_000, 256],
    ] as const) {
      const count = times(total);
      await rate(`single sends, ${atOnce} in flight`, count, () => sendSingles(single, count, atOnce));
    }

    const batched = client.createSender("batched");
    await sendBatches(batched, times(5_000), 4);
    await rate("batches of 100, 8 in flight", times(200_000), () => sendBatches(batched, times(200_000), 8));

    const drained = times(40_000);
    await sendBatches(client.createSender("drained"), drained, 4);
    // Warms up on another queue, because a receiver takes more messages than it handles before it closes.
    await drain([client.createReceiver("single")], times(5_000), 32);
    await rate("receive and complete, 32 concurrent calls", drained, () =>
      drain([client.createReceiver("drained")], drained, 32),
    );
    await measureReceivers(connect, 800, times(20_000), report);
  });

export type Connect = () => ServiceBusClient;

/** Connections and broker end with the measurement. */
export async function withBus(
  queues: readonly { readonly name: string; readonly lockMs: number }[],
  measure: (connect: Connect) => Promise<void>,
): Promise<void> {
  await using bus = await startBusProcess({ queues: [...queues] });
  const clients: ServiceBusClient[] = [];
  await measure(() => {
    const client = new ServiceBusClient(bus.connectionString);
    clients.push(client);
    return client;
  });
  await Promise.all(clients.map((each) => each.close()));
}

const RECEIVERS_ON_A_CONNECTION = 20;
/** The queue of `measureReceivers`. */
export const MANY = { name: "many", lockMs: 300_000 };

/** Receivers of one queue with one message each at a time, 20 on a connection. */
export async function measureReceivers(connect: Connect, count: number, total: number, report: Report): Promise<void> {
  const probe = connect().createSender(MANY.name);
  const connections = Array.from({ length: Math.ceil(count / RECEIVERS_ON_A_CONNECTION) }, connect);
  const receivers = Array.from({ length: count }, (_, index) => {
    const connection = connections[Math.floor(index / RECEIVERS_ON_A_CONNECTION)];
    if (connection === undefined) throw new RangeError(`There is no connection for receiver ${index}.`);
    return connection.createReceiver(MANY.name);
  });
  // The queue is empty. When every receiver has taken part in a wait for messages, all are attached.
  const started = performance.now();
  const counter = new Counter();
  const subscriptions = receivers.map((receiver) => subscribe(receiver, 1, counter));
  await sendBatches(probe, 1, 1);
  await counter.reached(1);
  await attached(receivers);
  report({ name: `${count} receivers: attached after`, value: Math.round(performance.now() - started), unit: "ms" });
  counter.reset();
  await reportRate(
    report,
    { name: `${count} receivers: drain while sending`, count: total, unit: "messages/s" },
    async () => {
      await sendBatches(probe, total, 2);
      await counter.reached(total);
    },
  );
  await Promise.all(subscriptions.map((each) => each.close()));
}

/** The SDK does not report when a subscription's link is open, but a receiver has a reference to its link. */
async function attached(receivers: readonly ServiceBusReceiver[]): Promise<void> {
  const isOpen = (receiver: ServiceBusReceiver): boolean => {
    const { _streamingReceiver: streaming } = receiver as unknown as { _streamingReceiver?: { isOpen(): boolean } };
    return streaming?.isOpen() ?? false;
  };
  while (!receivers.every(isOpen)) await new Promise((resolve) => setTimeout(resolve, 5));
}

class Counter {
  #count = 0;
  #goal = Infinity;
  #done: (() => void) | undefined;

  add(): void {
    if (++this.#count === this.#goal) this.#done?.();
  }

  reset(): void {
    this.#count = 0;
  }

  reached(goal: number): Promise<void> {
    this.#goal = goal;
    return new Promise((resolve) => {
      this.#done = resolve;
      if (this.#count >= goal) resolve();
    });
  }
}

const subscribe = (receiver: ServiceBusReceiver, maxConcurrentCalls: number, counter: Counter) =>
  receiver.subscribe(
    {
      processMessage: async (message) => {
        await receiver.completeMessage(message);
        counter.add();
      },
      processError: ({ error }) => Promise.reject(error),
    },
    { maxConcurrentCalls, autoCompleteMessages: false },
  );

async function drain(receivers: readonly ServiceBusReceiver[], total: number, concurrent: number): Promise<void> {
  const counter = new Counter();
  const done = counter.reached(total);
  const subscriptions = receivers.map((receiver) => subscribe(receiver, concurrent, counter));
  await done;
  await Promise.all(subscriptions.map((each) => each.close()));
}

const sendSingles = (sender: ServiceBusSender, total: number, atOnce: number): Promise<void> =>
  inFlight(total, atOnce, () => sender.sendMessages({ body: BODY }));

async function sendBatches(sender: ServiceBusSender, total: number, inFlight: number): Promise<void> {
  let left = total;
  const one = async (): Promise<void> => {
    while (left > 0) {
      const size = Math.min(100, left);
      left -= size;
      await sender.sendMessages(Array.from({ length: size }, () => ({ body: BODY })));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

const WARM_UP_HOPS = 20;

/** One message at a time, each sent a moment after the last was handled: milliseconds until it is. */
export async function idleHops(
  client: ServiceBusClient,
  entity: string,
  count: number,
  receiver = client.createReceiver(entity),
): Promise<readonly number[]> {
  const sender = client.createSender(entity);
  let handled: (() => void) | undefined;
  const listening = receiver.subscribe({
    processMessage: () => {
      handled?.();
      return Promise.resolve();
    },
    processError: ({ error }) => Promise.reject(error),
  });
  const times: number[] = [];
  for (let hop = 0; hop < WARM_UP_HOPS + count; hop++) {
    const arrival = new Promise<void>((resolve) => {
      handled = resolve;
    });
    const started = performance.now();
    await Promise.all([sender.sendMessages({ body: BODY }), arrival]);
    if (hop >= WARM_UP_HOPS) times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await listening.close();
  return times;
}
