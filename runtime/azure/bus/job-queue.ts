/** The queues of bells on Service Bus: one connection, one sender per queue, one link per receiver. */
import type { ServiceBusClient, ServiceBusMessage, ServiceBusMessageBatch, ServiceBusSender } from "@azure/service-bus";
import { InvariantError } from "../../core/errors.ts";
import type { JobQueue, OutgoingBell } from "../../core/ports/job-queue.ts";
import { type SpanOptions, inSpan } from "../../telemetry/trace.ts";
import { busError } from "../translate-error.ts";
import { createBellReceiver } from "./bell-receiver.ts";
import { createDeadLetters, peekMessages } from "./dead-letters.ts";
import { retryBusCall } from "./retry-bus-call.ts";

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
      if (bells.length > 0) await inSpan(`send ${queue}`, sendSpan(queue, bells), () => senderOf(queue).send(bells));
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

interface BellSender {
  /** Resolves when the broker has accepted all of them. */
  send(bells: readonly OutgoingBell[]): Promise<void>;
}

/** Concurrent transfers: enough to hide the latency to another data centre. */
const PARALLEL_TRANSFERS = 8;
/** As many as the SDK keeps. */
const LINKS_MAX_COUNT = 128;
/** After this time an acknowledgement counts as lost. */
const ACCEPT_WITHIN_MS = 2_000;

/**
 * Sends bells to one queue, as many per message as the broker accepts. The broker remembers each bell's MessageId, so a
 * repeat after a lost acknowledgement is safe.
 */
function createBellSender(bus: ServiceBusClient, queue: string): BellSender {
  let opened: ServiceBusSender | undefined;
  const sender = (): ServiceBusSender => (opened ??= bus.createSender(queue));

  async function pack(bells: readonly OutgoingBell[]): Promise<readonly ServiceBusMessageBatch[]> {
    const batches: ServiceBusMessageBatch[] = [];
    for (const message of bells.map(messageOf)) {
      if (batches.at(-1)?.tryAddMessage(message) === true) continue;
      const batch = await retryBusCall("opening a sender", () => sender().createMessageBatch());
      if (!batch.tryAddMessage(message)) throw new InvariantError("A bell is larger than a message may be.");
      batches.push(batch);
    }
    return batches;
  }

  return {
    async send(bells) {
      const waiting = [...(await pack(bells))];
      const sendNext = async (): Promise<void> => {
        for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
          const accepted = batch;
          await retryBusCall("sending", () =>
            sender().sendMessages(accepted, { abortSignal: AbortSignal.timeout(ACCEPT_WITHIN_MS) }),
          );
        }
      };
      await Promise.all(Array.from({ length: PARALLEL_TRANSFERS }, sendNext));
    },
  };
}

/** A bell alone belongs to its job's trace. Bells of many jobs are sent as one, so the span names their traces. */
function sendSpan(queue: string, bells: readonly OutgoingBell[]): SpanOptions {
  const traces = bells.slice(0, LINKS_MAX_COUNT).map(({ bell }) => bell.start.trace);
  const [only] = traces;
  return {
    kind: "PRODUCER",
    parent: bells.length === 1 ? (only ?? null) : null,
    links: bells.length === 1 ? [] : traces,
    attributes: {
      "messaging.system": "servicebus",
      "messaging.operation.type": "send",
      "messaging.operation.name": "send",
      "messaging.destination.name": queue,
      "messaging.batch.message_count": bells.length,
    },
  };
}

const messageOf = ({ bell, messageId, enqueueAt }: OutgoingBell): ServiceBusMessage => ({
  body: bell,
  messageId,
  contentType: "application/json",
  ...(bell.start.trace !== undefined && { applicationProperties: { traceparent: bell.start.trace } }),
  ...(enqueueAt === undefined ? {} : { scheduledEnqueueTimeUtc: enqueueAt }),
});
