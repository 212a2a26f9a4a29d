/** A link on which a client receives messages: deliveries out, settlements in. Sessions use it once they are granted. */
import type { BusError } from "../engine/errors.ts";
import type { Delivery } from "../engine/message.ts";
import type { Receiver } from "../engine/receivers.ts";
import type { Settlement } from "../engine/settlement.ts";
import { toAmqpError } from "./amqp-errors.ts";
import { CreditCounter } from "./credit.ts";
import { encodeDelivery } from "./delivery-encoder.ts";
import type { AmqpDeps } from "./front.ts";
import { tokenToTag } from "./lock-token.ts";
import { plainMap } from "./plain-map.ts";
import {
  ACCEPTED,
  rejected,
  settleDelivery,
  type EventContext,
  type Outcome,
  type RheaDelivery,
  type SenderLink,
} from "./rhea.ts";

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
