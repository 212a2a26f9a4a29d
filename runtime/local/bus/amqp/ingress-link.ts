/** A link on which a client sends messages to a queue or topic. */
import { BusError } from "../engine/errors.ts";
import { toAmqpError } from "./amqp-errors.ts";
import type { AmqpDeps } from "./front.ts";
import { parseMessage } from "./message-codec.ts";
import { ACCEPTED, rejected, settleDelivery, type EventContext, type ReceiverLink } from "./rhea.ts";
import { tooLarge } from "./request-link.ts";
import { takeOversized } from "./rhea-hardening.ts";
import { batchItems } from "./sections.ts";
import { WIRE_LIMITS } from "./wire-limits.ts";

/** Each data section of a message in this format is an encoded message of its own. */
const BATCH_FORMAT = 0x8001_3700;

export function openIngress({ host, onFault, messageBytes }: AmqpDeps, receiver: ReceiverLink, path: string): void {
  receiver.add_credit(WIRE_LIMITS.senderCredit);
  receiver.on("message", ({ delivery, message }: EventContext) => {
    // What was under way when we closed the link is not taken any more.
    if (!delivery || !message || !receiver.is_open()) return;
    try {
      if (takeOversized(receiver)) {
        throw new BusError("message-too-large", tooLarge(messageBytes));
      }
      const items = delivery.format === BATCH_FORMAT ? [...batchItems(message)] : [message];
      const messages = items.map(parseMessage);
      host.execute((broker) => {
        broker.send(path, messages);
        host.whenDurable(() => settleDelivery(receiver, delivery, ACCEPTED));
      });
    } catch (error) {
      if (!(error instanceof BusError)) onFault(error);
      settleDelivery(receiver, delivery, rejected(toAmqpError(error, receiver)));
    }
    if (receiver.credit < WIRE_LIMITS.senderCredit / 2) {
      receiver.add_credit(WIRE_LIMITS.senderCredit - receiver.credit);
    }
  });
}
