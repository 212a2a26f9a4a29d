/**
 * Measures the local Service Bus under load: durable, in a separate process, with the unmodified SDK in this one. Rates
 * count acknowledged operations.
 */
import { ServiceBusClient, type ServiceBusReceiver, type ServiceBusSender } from "@azure/service-bus";
import { startBusProcess } from "../runtime/local/bus/test/support/bus-process.ts";
import type { Benchmark } from "./bench.ts";

const BODY = Buffer.alloc(256, "x");
const QUEUES = ["idle", "single", "batched", "drained", "many"].map((name) => ({ name, lockMs: 300_000 }));

export const benchmark: Benchmark = async (report) => {
  await using bus = await startBusProcess({ queues: QUEUES });
  const clients: ServiceBusClient[] = [];
  const connect = (): ServiceBusClient => {
    const client = new ServiceBusClient(bus.connectionString);
    clients.push(client);
    return client;
  };
  const rate = async (name: string, count: number, run: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await run();
    report({ name, value: Math.round(count / ((performance.now() - started) / 1_000)), unit: "messages/s" });
  };

  const client = connect();
  const [p50, p99] = await idleLatency(client, 400);
  report({ name: "idle send to handler, p50", value: p50, unit: "ms" });
  report({ name: "idle send to handler, p99", value: p99, unit: "ms" });

  const single = client.createSender("single");
  await sendSingles(single, 2_000, 256);
  await rate("single sends, 1 in flight", 2_000, () => sendSingles(single, 2_000, 1));
  await rate("single sends, 32 in flight", 20_000, () => sendSingles(single, 20_000, 32));
  await rate("single sends, 256 in flight", 40_000, () => sendSingles(single, 40_000, 256));

  const batched = client.createSender("batched");
  await sendBatches(batched, 5_000, 4);
  await rate("batches of 100, 8 in flight", 200_000, () => sendBatches(batched, 200_000, 8));

  await sendBatches(client.createSender("drained"), 40_000, 4);
  // Warms up on another queue, because a receiver takes more messages than it handles before it closes.
  await drain([client.createReceiver("single")], 5_000, 32);
  const drained = client.createReceiver("drained");
  await rate("receive and complete, 32 concurrent calls", 40_000, () => drain([drained], 40_000, 32));

  await manyReceivers(connect, report, rate);
  await Promise.all(clients.map((each) => each.close()));
};

type Report = Parameters<Benchmark>[0];
type Rate = (name: string, count: number, run: () => Promise<unknown>) => Promise<void>;

/** 800 receivers with one message each at a time, 20 on a connection. */
async function manyReceivers(connect: () => ServiceBusClient, report: Report, rate: Rate): Promise<void> {
  const total = 20_000;
  const probe = connect().createSender("many");
  const groups = Array.from({ length: 40 }, () => connect());
  const receivers = groups.flatMap((each) => Array.from({ length: 20 }, () => each.createReceiver("many")));
  // The queue is empty. When every receiver has taken part in a wait for messages, all are attached.
  const started = performance.now();
  const counter = new Counter();
  const subscriptions = receivers.map((receiver) => subscribe(receiver, 1, counter));
  await sendBatches(probe, 1, 1);
  await counter.reached(1);
  await attached(receivers);
  report({
    name: "800 receivers on 40 connections, attached after",
    value: Math.round(performance.now() - started),
    unit: "ms",
  });
  counter.reset();
  await rate("800 receivers with 1 call each, drain while sending", total, async () => {
    await sendBatches(probe, total, 2);
    await counter.reached(total);
  });
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

async function sendSingles(sender: ServiceBusSender, total: number, inFlight: number): Promise<void> {
  let left = total;
  const one = async (): Promise<void> => {
    while (left-- > 0) await sender.sendMessages({ body: BODY });
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

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

/** One message at a time, each sent a moment after the last was handled. */
async function idleLatency(client: ServiceBusClient, samples: number): Promise<[number, number]> {
  const sender = client.createSender("idle");
  const receiver = client.createReceiver("idle");
  let handled: (() => void) | undefined;
  const subscription = receiver.subscribe({
    processMessage: () => {
      handled?.();
      return Promise.resolve();
    },
    processError: ({ error }) => Promise.reject(error),
  });
  const times: number[] = [];
  for (let sample = 0; sample < samples + 20; sample++) {
    const arrival = new Promise<void>((resolve) => {
      handled = resolve;
    });
    const started = performance.now();
    await Promise.all([sender.sendMessages({ body: BODY }), arrival]);
    if (sample >= 20) times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await subscription.close();
  times.sort((a, b) => a - b);
  const at = (share: number): number => Math.round((times[Math.floor(times.length * share)] ?? 0) * 100) / 100;
  return [at(0.5), at(0.99)];
}
