/**
 * Sends bells to one queue, as many per message as the broker takes. Every bell has a MessageId the broker remembers,
 * so that sending again after a lost acknowledgement does no harm.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { ServiceBusClient, ServiceBusMessage, ServiceBusMessageBatch, ServiceBusSender } from "@azure/service-bus";
import { InvariantError } from "../core/errors.ts";
import type { OutgoingBell } from "../core/ports.ts";
import { busError, isPassing } from "./translate-error.ts";

export interface BellSender {
  /** Resolves when the broker has accepted every one. */
  send(bells: readonly OutgoingBell[]): Promise<void>;
}

/** Transfers under way at the same time: enough to hide the way to another data centre. */
const PARALLEL_TRANSFERS = 8;
/** The SDK gives up at once when nobody listens at the address, as while a local bus restarts: waits before the next try. */
const RETRY_PAUSES_MS: readonly number[] = [100, 200, 400, 800];
/** The SDK's own retries may have taken their time: then the caller decides. */
const RETRY_WITHIN_MS = 5_000;

export function createBellSender(bus: ServiceBusClient, queue: string): BellSender {
  let opened: ServiceBusSender | undefined;
  const sender = (): ServiceBusSender => (opened ??= bus.createSender(queue));

  async function pack(bells: readonly OutgoingBell[]): Promise<readonly ServiceBusMessageBatch[]> {
    const batches: ServiceBusMessageBatch[] = [];
    for (const message of bells.map(messageOf)) {
      if (batches.at(-1)?.tryAddMessage(message) === true) continue;
      const batch = await insist(() => sender().createMessageBatch());
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
          await insist(() => sender().sendMessages(accepted));
        }
      };
      await Promise.all(Array.from({ length: PARALLEL_TRANSFERS }, sendNext));
    },
  };
}

const messageOf = ({ bell, messageId, enqueueAt }: OutgoingBell): ServiceBusMessage => ({
  body: bell,
  messageId,
  contentType: "application/json",
  ...(enqueueAt === undefined ? {} : { scheduledEnqueueTimeUtc: enqueueAt }),
});

async function insist<T>(step: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + RETRY_WITHIN_MS;
  for (let failures = 0; ; failures++) {
    try {
      return await step();
    } catch (error) {
      const waitMs = RETRY_PAUSES_MS[failures];
      if (waitMs === undefined || !isPassing(error) || performance.now() > giveUpAt) throw busError(error, "sending");
      await pause(waitMs);
    }
  }
}
