/**
 * A release after this one, as far as it differs: its bells have version 2, which this code does not know. Wrapped around
 * the queue of an API or a worker, it makes that one of the later release.
 */
import { ServiceBusClient } from "@azure/service-bus";
import type { Bell } from "../../../runtime/core/job/bell.ts";
import type { BellReceiver, ReceivedMessage, JobQueue, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";

export interface LaterRelease extends AsyncDisposable {
  readonly wrapQueue: (inner: JobQueue) => JobQueue;
}

export function laterRelease(connectionString: string): LaterRelease {
  const client = new ServiceBusClient(connectionString);
  /** What the later release reads in its own messages. */
  const bells = new Map<string, Bell>();

  const readable = <Received extends ReceivedMessage | PeekedMessage>(received: Received): Received => {
    const bell = bells.get(received.messageId);
    return received.parsed.kind === "unreadable" && bell !== undefined
      ? { ...received, parsed: { kind: "bell", bell } }
      : received;
  };
  const receiverOf = (inner: BellReceiver): BellReceiver => ({
    receive: async (waitMs, maxCount) => (await inner.receive(waitMs, maxCount)).map(readable),
    close: () => inner.close(),
  });

  return {
    wrapQueue: (inner) => ({
      ...inner,
      async send(queueName, outgoing) {
        const sender = client.createSender(queueName);
        for (const { bell, messageId, enqueueAt } of outgoing) {
          bells.set(messageId, bell);
          const { version: _, ...fields } = bell;
          await sender.sendMessages({
            ...{ body: { version: 2, about: fields }, messageId, contentType: "application/json" },
            ...(enqueueAt && { scheduledEnqueueTimeUtc: enqueueAt }),
          });
        }
        await sender.close();
      },
      receiver: (queueName) => receiverOf(inner.receiver(queueName)),
      peek: async (...request) => (await inner.peek(...request)).map(readable),
    }),
    async [Symbol.asyncDispose]() {
      await client.close();
    },
  };
}
