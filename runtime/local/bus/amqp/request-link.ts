/** Request and response over a pair of links, as `$cbs` and `$management` use it. */
import type { AmqpDeps, ConnectionState } from "./front.ts";
import { plainString } from "./plain-map.ts";
import {
  ACCEPTED,
  decodeMessage,
  encodeMessage,
  rejected,
  settleDelivery,
  type DecodedMessage,
  type EventContext,
  type ReceiverLink,
} from "./rhea.ts";
import { takeOversized } from "./rhea-hardening.ts";
import { toAmqpError } from "./amqp-errors.ts";
import { BusError } from "../engine/errors.ts";
import { WIRE_LIMITS } from "./wire-limits.ts";

export interface Response {
  readonly application_properties: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/**
 * Answers every request with what `handle` returns, once all it did is durable. `handle` must not throw or reject: an
 * error of the protocol is a response too.
 */
export function openRequests(
  { host, onFault }: AmqpDeps,
  state: ConnectionState,
  receiver: ReceiverLink,
  handle: (request: DecodedMessage) => Response | Promise<Response>,
): void {
  const answer = (request: DecodedMessage, response: Response): void => {
    const replyTo = plainString(request.reply_to);
    host.whenDurable(() => {
      const link = replyTo === undefined ? undefined : state.replyLinks.get(replyTo);
      // Without its reply link the client cannot be waiting any more.
      if (!link?.is_open()) return;
      link.send(encodeMessage({ to: replyTo, correlation_id: request.message_id, ...response }), undefined, 0);
    });
  };
  receiver.add_credit(WIRE_LIMITS.managementCredit);
  receiver.on("message", ({ delivery, message }: EventContext) => {
    if (!delivery || !message) return;
    try {
      if (takeOversized(receiver)) throw new BusError("message-too-large", "The request is too large.");
      const request = decodeRequest(message);
      const response = handle(request);
      settleDelivery(receiver, delivery, ACCEPTED);
      if (response instanceof Promise) response.then((each) => answer(request, each)).catch(onFault);
      else answer(request, response);
    } catch (error) {
      if (!(error instanceof BusError)) onFault(error);
      settleDelivery(receiver, delivery, rejected(toAmqpError(error)));
    }
    if (receiver.credit < WIRE_LIMITS.managementCredit / 2) {
      receiver.add_credit(WIRE_LIMITS.managementCredit - receiver.credit);
    }
  });
}

function decodeRequest(message: Buffer): DecodedMessage {
  try {
    return decodeMessage(message);
  } catch (error) {
    throw new BusError("invalid-argument", `The request is malformed: ${String(error)}.`);
  }
}
