/** A link on which a client receives messages: deliveries out, settlements in. Sessions use it once they are granted. */
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

/** `snd-settle-mode` settled: the client wants messages removed with their delivery. */
const SETTLED = 1;

const wantsSettled = (link: SenderLink): boolean => link.remote.attach?.snd_settle_mode === SETTLED;

/** The broker's receiver behind one link. */
export class EgressLink implements Receiver {
  credit = 0;
  readonly receiveAndDelete: boolean;
  readonly #deps: AmqpDeps;
  readonly #link: SenderLink;
  readonly #path: string;
  readonly #counter: CreditCounter;
  /** Handed out by the broker, not yet durable. */
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
    // The link may have gone while the lock was being written: nobody has seen the message.
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
    // Behind the deliveries this flow set off.
    this.#deps.host.whenDurable(() => {
      if (this.#link.is_open()) this.#counter.answerDrain();
    });
  }

  #onOutcome({ delivery }: EventContext, settlementOf: (delivery: RheaDelivery) => Settlement): void {
    if (!delivery) return;
    const token = this.#unsettled.get(delivery);
    if (token === undefined) {
      // Settled twice, or sent settled: nothing is left to decide.
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

  /** rhea calls some handlers outside of its own error handling: nothing may escape from there. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#link.close(toAmqpError(error, this.#link));
    }
  }
}

/**
 * The SDK settles second: it waits for our settled answer and never confirms it. rhea would keep the delivery until it
 * does, so it is told that it has.
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

// Counts what a client will still take on one link. rhea's own `credit` does not know of deliveries that wait to be
// written, and its per-session queue is in order: one message sent without credit would hold up the whole session.

export class CreditCounter {
  readonly #link: SenderLink;
  /** Deliveries handed to rhea plus credit given back by draining: the delivery count the client will see. */
  #used = 0;

  constructor(link: SenderLink) {
    this.#link = link;
    // rhea answers a drain only if credit is left. When the last message crosses the drain none is, and the SDK would
    // wait and then give up the link: so answer always.
    link._get_drain = (): boolean => {
      if (!link._draining || !link._drained) return false;
      link.delivery_count += link.credit;
      link.credit = 0;
      link._draining = false;
      return true;
    };
  }

  /** Messages that may be handed out now, on top of those on their way. */
  available(inFlight: number): number {
    const granted = this.#link.credit + this.#link.delivery_count - this.#used - inFlight;
    return Math.max(0, Math.min(granted, this.#link.session.outgoing.available() - inFlight));
  }

  sent(): void {
    this.#used++;
  }

  /** Gives back all credit, if the client asked for that. Everything handed out must have been sent before. */
  answerDrain(): void {
    if (!this.#link._draining) return;
    this.#used = this.#link.credit + this.#link.delivery_count;
    this.#link.set_drained(true);
  }
}

// A link on which a client sends messages to a queue or topic.

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
