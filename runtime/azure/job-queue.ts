/** Bells on Service Bus queues: one connection, a sender per queue, a link per receiver. */
import type { ServiceBusClient } from "@azure/service-bus";
import type { JobQueue } from "../core/ports/job-queue.ts";
import { createBellReceiver } from "./bell-receiver.ts";
import { type BellSender, createBellSender } from "./bell-sender.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { peekMessages } from "./peek-messages.ts";
import { busError } from "./translate-error.ts";

export interface JobQueueDeps {
  /** The queue owns it: closing closes it. */
  readonly bus: ServiceBusClient;
}

export function createJobQueue({ bus }: JobQueueDeps): JobQueue {
  const senders = new Map<string, BellSender>();
  const deadLetters = createDeadLetters(bus);
  let closing: Promise<void> | undefined;

  function senderOf(queue: string): BellSender {
    const sender = senders.get(queue) ?? createBellSender(bus, queue);
    senders.set(queue, sender);
    return sender;
  }

  return {
    async send(queue, bells) {
      if (bells.length > 0) await senderOf(queue).send(bells);
    },
    receiver: (queue) => createBellReceiver(bus, queue),
    peek: (queue, request) => peekMessages(bus, queue, request),
    takeDeadLetters: (queue, maxCount) => deadLetters.take(queue, maxCount),
    async close() {
      closing ??= bus.close();
      try {
        await closing;
      } catch (error) {
        throw busError(error, "closing");
      }
    },
  };
}
