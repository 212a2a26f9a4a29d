/**
 * Takes dead letters of queues under lock, over links of their own that stay open until their last letter is settled.
 * How many there are is asked first, so that nobody waits for letters that do not exist.
 */
import type { ServiceBusClient } from "@azure/service-bus";
import type { Delivery } from "../core/ports/job-queue.ts";
import { deliveryOf } from "./delivery.ts";
import { insist } from "./insist.ts";
import { PEEK_MAX_COUNT, peekMessages } from "./peek-messages.ts";
import { openLink, type ReceiverLink } from "./receiver-link.ts";

export interface DeadLetters {
  /** Oldest first, up to `maxCount`; fewer when there are no more that nobody else holds. */
  take(queue: string, maxCount: number): Promise<readonly Delivery[]>;
}

/** For letters that are there: long enough to open a link, short enough when another process holds them all. */
const WAIT_MS = 1_000;

export function createDeadLetters(bus: ServiceBusClient): DeadLetters {
  const retired = new Set<ReceiverLink>();

  function retire(link: ReceiverLink): void {
    retired.add(link);
    link.retire();
  }

  function forgetClosed(): void {
    for (const link of retired) {
      link.forgetLapsed();
      if (link.closed) retired.delete(link);
    }
  }

  async function receive(queue: string, count: number): Promise<readonly Delivery[]> {
    const link = openLink(bus, queue, { subQueueType: "deadLetter" });
    try {
      const messages = await link.sdk.receiveMessages(count, { maxWaitTimeInMs: WAIT_MS });
      return messages.map((message) => {
        link.received(message);
        return deliveryOf(link, message, queue);
      });
    } finally {
      // Settles what it has given and closes with the last one.
      retire(link);
    }
  }

  return {
    async take(queue, maxCount) {
      forgetClosed();
      const taken: Delivery[] = [];
      let fromSequenceNumber: string | undefined;
      while (taken.length < maxCount) {
        const page = Math.min(maxCount - taken.length, PEEK_MAX_COUNT);
        const letters = await peekMessages(bus, queue, { deadLetter: true, fromSequenceNumber, maxCount: page });
        const last = letters.at(-1);
        if (last === undefined) break;
        const received = await insist("taking dead letters", () => receive(queue, letters.length));
        taken.push(...received);
        // The rest is under somebody else's lock.
        if (received.length < letters.length) break;
        fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
      }
      return taken;
    },
  };
}
