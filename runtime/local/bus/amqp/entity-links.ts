/** The links on which clients receive messages from queues, subscriptions and sessions, and send to queues and topics. */
import { BusError } from "../engine/errors.ts";
import type { Delivery } from "../engine/message.ts";
import type { Settlement } from "../engine/settlement.ts";
import type { Receiver } from "../engine/store/receivers.ts";
import { toAmqpError } from "./amqp-errors.ts";
import { encodeDelivery } from "./delivery-encoder.ts";
import { type AmqpDeps, WIRE_LIMITS } from "./front.ts";
import { parseMessage } from "./message-codec.ts";
import { tooLarge } from "./request-link.ts";
import { takeOversized } from "./rhea-hardening.ts";
import {
  ACCEPTED,
  type EventContext,
  type Outcome,
  type ReceiverLink,
  type RheaDelivery,
  type SenderLink,
  rejected,
  settleDelivery,
} from "./rhea.ts";
import { batchItems } from "./sections.ts";
import { plainMap, tokenToTag } from "./values.ts";

/** `snd-settle-mode` settled: the client wants messages to be removed when they are delivered. */
const SETTLED = 1;

const wantsSettled = (link: SenderLink): boolean => link.remote.attach?.snd_settle_mode === SETTLED;

/** A link on which a client receives messages. It is a receiver of the broker: deliveries go out, settlements come in. */
export class EgressLink implements Receiver {
  credit = 0;
  readonly receiveAndDelete: boolean;
  readonly #deps: AmqpDeps;
  readonly #link: SenderLink;
  readonly #path: string;
  readonly #counter: CreditCounter;
  /** Deliveries that are not durable yet. */
  #inFlight = 0;
  readonly #unsettled = new WeakMap<RheaDelivery, string>();

  constructor(deps: AmqpDeps, link: SenderLink, path: string) {
    this.#deps = deps;
    this.#link = link;
    this.#path = path;
    this.receiveAndDelete = wantsSettled(link);
    this.#counter = new CreditCounter(link);
    link.on("sender_flow", () => this.#onFlow());
    link.on("accepted", (context) => this.#onOutcome(context, () => ({ kind: "complete" })));
    link.on("released", (context) => this.#onOutcome(context, () => ({ kind: "release" })));
    link.on("modified", (context) => this.#onOutcome(context, modifiedSettlement));
    link.on("rejected", (context) => this.#onOutcome(context, rejectedSettlement));
    for (const handled of ["sender_draining", "settled", "sendable", "received"]) link.on(handled, () => undefined);
  }

  deliver(delivery: Delivery): void {
    this.#inFlight++;
    this.#deps.host.whenDurable(() => {
      this.#inFlight--;
      this.#send(delivery);
    });
  }

  ended(reason: BusError): void {
    this.#deps.host.whenDurable(() => this.#link.close(toAmqpError(reason, this.#link)));
  }

  #send(delivery: Delivery): void {
    const { lock } = delivery;
    // The link may have ended while the lock was being written. The client has not seen the message.
    if (!this.#link.is_open() || this.#link.session.outgoing.available() === 0) {
      if (lock) this.#deps.host.execute((broker) => broker.undelivered(this.#path, lock.token));
      return;
    }
    this.#counter.sent();
    const sent = this.#link.send(encodeDelivery(delivery), lock ? tokenToTag(lock.token) : undefined, 0);
    if (lock) this.#unsettled.set(sent, lock.token);
  }

  #onFlow(): void {
    this.credit = this.#counter.available(this.#inFlight);
    this.#guard(() => {
      this.#deps.host.execute((broker) => broker.offerCredit(this.#path, this));
    });
    if (!this.#link._draining) return;
    this.credit = 0;
    // After the deliveries that this flow caused.
    this.#deps.host.whenDurable(() => {
      if (this.#link.is_open()) this.#counter.answerDrain();
    });
  }

  #onOutcome({ delivery }: EventContext, settlementOf: (delivery: RheaDelivery) => Settlement): void {
    if (!delivery) return;
    const token = this.#unsettled.get(delivery);
    if (token === undefined) {
      // Settled twice, or sent settled: there is nothing to decide.
      delivery.settled = true;
      delivery.remote_settled = true;
      return;
    }
    this.#unsettled.delete(delivery);
    try {
      this.#deps.host.execute((broker) => {
        broker.settle(this.#path, token, settlementOf(delivery));
        this.#deps.host.whenDurable(() => finish(this.#link, delivery, ACCEPTED));
      });
    } catch (error) {
      const outcome = rejected(toAmqpError(error, this.#link));
      this.#deps.host.whenDurable(() => finish(this.#link, delivery, outcome));
    }
  }

  /** rhea calls some handlers outside of its own error handling, so no error may leave them. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#link.close(toAmqpError(error, this.#link));
    }
  }
}

/**
 * The SDK waits for our settled answer and never confirms it. rhea would keep the delivery until then, so we mark it as
 * confirmed.
 */
function finish(link: SenderLink, delivery: RheaDelivery, outcome: Outcome): void {
  settleDelivery(link, delivery, outcome);
  delivery.remote_settled = true;
}

function modifiedSettlement({ remote_state: state }: RheaDelivery): Settlement {
  const changes = plainMap(state?.message_annotations);
  return { kind: state?.undeliverable_here ? "defer" : "abandon", changes };
}

function rejectedSettlement({ remote_state: state }: RheaDelivery): Settlement {
  const {
    DeadLetterReason: reason,
    DeadLetterErrorDescription: description,
    ...changes
  } = plainMap(state?.error?.info);
  return {
    kind: "dead-letter",
    ...(typeof reason === "string" && { reason }),
    ...(typeof description === "string" && { description }),
    changes,
  };
}

/**
 * Counts how many messages a client will still take on one link. rhea's `credit` does not count deliveries that wait to be
 * written. rhea's queue of a session is in order, so one message without credit would block the whole session.
 */
export class CreditCounter {
  readonly #link: SenderLink;
  /** Deliveries handed to rhea plus credit returned by draining. The client will see it as the delivery count. */
  #used = 0;

  constructor(link: SenderLink) {
    this.#link = link;
    // rhea answers a drain only if credit is left. If the last message uses it up meanwhile, the SDK would wait and then
    // give up the link. So we always answer.
    link._get_drain = (): boolean => {
      if (!link._draining || !link._drained) return false;
      link.delivery_count += link.credit;
      link.credit = 0;
      link._draining = false;
      return true;
    };
  }

  /** How many more messages may be handed out now, besides those in flight. */
  available(inFlight: number): number {
    const granted = this.#link.credit + this.#link.delivery_count - this.#used - inFlight;
    return Math.max(0, Math.min(granted, this.#link.session.outgoing.available() - inFlight));
  }

  sent(): void {
    this.#used++;
  }

  /** Returns all credit, if the client asked for that. Everything handed out must have been sent before. */
  answerDrain(): void {
    if (!this.#link._draining) return;
    this.#used = this.#link.credit + this.#link.delivery_count;
    this.#link.set_drained(true);
    // rhea marks the answer and writes it with the next frame. There may be none: nothing else need happen here.
    this.#link.connection._register();
  }
}

/** In this format, each data section of a message is an encoded message. */
const BATCH_FORMAT = 0x8001_3700;

/** Opens a link on which a client sends messages to a queue or topic. */
export function openIngress({ host, onFault, messageBytes }: AmqpDeps, receiver: ReceiverLink, path: string): void {
  receiver.add_credit(WIRE_LIMITS.senderCredit);
  receiver.on("message", ({ delivery, message }: EventContext) => {
    // Messages that arrive after we closed the link are ignored.
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
