/**
 * Counts what a client will still take on one link. rhea's own `credit` does not know of deliveries that wait to be
 * written, and its per-session queue is in order: one message sent without credit would hold up the whole session.
 */
import type { SenderLink } from "./rhea.ts";

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
