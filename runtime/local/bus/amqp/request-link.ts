/** Requests and responses over a pair of links, as `$cbs` and `$management` use them. */
import { BusError } from "../engine/errors.ts";
import { toAmqpError } from "./amqp-errors.ts";
import { type AmqpDeps, type ConnectionState, WIRE_LIMITS, refuse } from "./front.ts";
import { plainString } from "./values.ts";
import {
  ACCEPTED,
  decodeMessage,
  encodeMessage,
  rejected,
  settleAtOnce,
  types,
  type DecodedMessage,
  type EventContext,
  type ReceiverLink,
  type Typed,
} from "./rhea.ts";
import { takeOversized } from "./rhea-hardening.ts";
import { bodyOffset, itemOffsets, scan } from "./sections.ts";

export interface Response {
  readonly application_properties: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/** Who serves the requests of one link. */
export interface RequestService {
  /** Must not throw or reject. An error of the protocol is a response too. */
  readonly handle: (request: DecodedMessage) => Response | Promise<Response>;
  /** The response to a request that cannot be handled. */
  readonly refusal: (error: unknown) => Response;
}

/** The fields of a request that its response repeats. */
interface RequestHead {
  /** With its AMQP type, which the response repeats. */
  readonly messageId: Typed | undefined;
  readonly replyTo: string | undefined;
}

/** Answers every request with what the service returns, once all it did is durable. */
export function openRequests(
  deps: AmqpDeps,
  state: ConnectionState,
  receiver: ReceiverLink,
  { handle, refusal }: RequestService,
): void {
  const { host, onFault } = deps;
  const answer = ({ messageId, replyTo }: RequestHead, response: Response): void => {
    host.whenDurable(() => {
      const link = state.replyLink(receiver, replyTo);
      // A client without a reply link does not wait any more.
      if (!link?.is_open()) return;
      link.send(encodeMessage({ to: replyTo, correlation_id: messageId, ...response }), undefined, 0);
    });
  };
  const respond = (message: Buffer): Response | Promise<Response> => {
    try {
      if (takeOversized(receiver)) throw new BusError("message-too-large", tooLarge(deps.messageBytes));
      return handle(decodeRequest(message));
    } catch (error) {
      if (!(error instanceof BusError)) onFault(error);
      return refusal(error);
    }
  };
  receiver.add_credit(WIRE_LIMITS.managementCredit);
  receiver.on("message", ({ delivery, message }: EventContext) => {
    if (!delivery || !message || !receiver.is_open()) return;
    const head = readHead(message);
    if (head instanceof BusError) {
      takeOversized(receiver);
      const error = toAmqpError(head, receiver);
      settleAtOnce(receiver, delivery, rejected(error));
      refuse(receiver, error);
      return;
    }
    // Clients wait for the outcome of their request before they read the response, so the outcome is sent first.
    settleAtOnce(receiver, delivery, ACCEPTED);
    const response = respond(message);
    if (response instanceof Promise) response.then((each) => answer(head, each)).catch(onFault);
    else answer(head, response);
    if (receiver.credit < WIRE_LIMITS.managementCredit / 2) {
      receiver.add_credit(WIRE_LIMITS.managementCredit - receiver.credit);
    }
  });
}

export const tooLarge = (limit: number): string => `A message or request may have at most ${limit} bytes.`;

/** Also works for a request that was cut off within its body. */
function readHead(message: Buffer): RequestHead | BusError {
  try {
    const head = message.subarray(0, bodyOffset(message));
    const { properties } = scan(head);
    const [start, next] = properties ? itemOffsets(head, properties) : [];
    const id =
      start === undefined || next === undefined ? undefined : new types.Reader(head.subarray(start, next)).read();
    return { messageId: id as Typed | undefined, replyTo: plainString(decodeMessage(head).reply_to) };
  } catch (error) {
    return malformed(error);
  }
}

function decodeRequest(message: Buffer): DecodedMessage {
  try {
    return decodeMessage(message);
  } catch (error) {
    throw malformed(error);
  }
}

const malformed = (error: unknown): BusError =>
  new BusError(
    "invalid-argument",
    `The request is malformed: ${error instanceof Error ? error.message : String(error)}.`,
  );
