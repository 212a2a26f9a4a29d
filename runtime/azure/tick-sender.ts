/** Sends ticks to their topic, each with the time it is due and the listener whose subscription lets it through. */
import type { ServiceBusClient, ServiceBusMessage, ServiceBusMessageBatch, ServiceBusSender } from "@azure/service-bus";
import { InvariantError } from "../core/errors.ts";
import type { TickSender } from "../core/ports/timer-topic.ts";
import { LISTENER_PROPERTY, type OutgoingTick } from "../core/tick.ts";
import { TIMERS_TOPIC } from "../core/topology.ts";
import { insist } from "./insist.ts";
import { busError } from "./translate-error.ts";

export interface TickSenderDeps {
  /** The sender owns it: closing closes it. */
  readonly bus: ServiceBusClient;
}

/** An acknowledgement that takes longer was lost with its connection; the broker swallows the repeat. */
const ACCEPT_WITHIN_MS = 5_000;

export function createTickSender({ bus }: TickSenderDeps): TickSender {
  let opened: ServiceBusSender | undefined;
  const sender = (): ServiceBusSender => (opened ??= bus.createSender(TIMERS_TOPIC));
  let closing: Promise<void> | undefined;

  const open = (): Promise<ServiceBusMessageBatch> => insist("opening a sender", () => sender().createMessageBatch());

  const sendBatch = (batch: ServiceBusMessageBatch): Promise<void> =>
    insist("sending ticks", () => sender().sendMessages(batch, { abortSignal: AbortSignal.timeout(ACCEPT_WITHIN_MS) }));

  return {
    async send(ticks) {
      let batch: ServiceBusMessageBatch | undefined;
      for (const message of ticks.map(messageOf)) {
        batch ??= await open();
        if (batch.tryAddMessage(message)) continue;
        await sendBatch(batch);
        batch = await open();
        if (!batch.tryAddMessage(message)) throw new InvariantError("A tick is larger than a message may be.");
      }
      if (batch !== undefined) await sendBatch(batch);
    },
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

const messageOf = ({ tick, messageId, listener, enqueueAt }: OutgoingTick): ServiceBusMessage => ({
  body: tick,
  messageId,
  contentType: "application/json",
  applicationProperties: { [LISTENER_PROPERTY]: listener },
  scheduledEnqueueTimeUtc: enqueueAt,
});
