/**
 * The two kinds of queues that every promise of the port is held against. Where they differ, the memory ones are wrong.
 */
import { randomUUID } from "node:crypto";
import { connectServiceBus, createJobQueue } from "../../../runtime/azure/index.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { busTopology } from "../../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { type QueueBacking, startMemoryQueue } from "./memory-queue.ts";

export interface QueueBackingKind {
  readonly name: string;
  readonly start: (pools: readonly string[], lockMs: number) => Promise<QueueBacking>;
}

export const QUEUE_BACKINGS: readonly QueueBackingKind[] = [
  {
    name: "memory",
    start: (_pools, lockMs) => Promise.resolve(startMemoryQueue({ lockMs })),
  },
  { name: "the local bus", start: startOnBus },
];

export async function startOnBus(pools: readonly string[], lockMs?: number): Promise<QueueBacking> {
  const bus = await startLocalServiceBus({
    port: 0,
    topology: busTopology(pools, lockMs === undefined ? {} : { lockMs }),
  });
  const connection = () => connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString });
  const raw = connection();
  const queues: JobQueue[] = [];
  return {
    connect() {
      const queue = createJobQueue({ bus: connection() });
      queues.push(queue);
      return queue;
    },
    async post(queue, body) {
      const sender = raw.createSender(queue);
      await sender.sendMessages({ body, messageId: `poison-${randomUUID()}` });
      await sender.close();
    },
    async [Symbol.asyncDispose]() {
      await raw.close();
      await Promise.all(queues.map((queue) => queue.close()));
      await bus.close();
    },
  };
}
