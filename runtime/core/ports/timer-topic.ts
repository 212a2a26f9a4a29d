/** The way of ticks: a topic with one filtered subscription per timer. */
import type { OutgoingTick } from "../timer/tick.ts";

export interface TickSender {
  /** Sends all, in as few messages as the broker takes; resolves when every one is accepted. Throws UnavailableError. */
  send(ticks: readonly OutgoingTick[]): Promise<void>;
  close(): Promise<void>;
}

/** Where the ticks of a timer go. */
export interface TimerSubscription {
  readonly name: string;
  /** The only ticks it lets through. */
  readonly listener: string;
  /** The job queue they are passed on to. */
  readonly queue: string;
}

export interface FoundSubscription {
  readonly name: string;
  /** Made at run time; those of a deployment are not ours to change or to remove. */
  readonly isOurs: boolean;
  readonly queue: string | undefined;
}

/**
 * `unchanged`: it was right. `foreign`: it belongs to a deployment and has another queue or filter; it is left unchanged.
 */
export type EnsuredSubscription = "unchanged" | "made" | "mended" | "foreign";

/** Every method throws UnavailableError. */
export interface TimerSubscriptions {
  /** Creates it with its filter, or corrects it. Leaves a subscription of a deployment unchanged. */
  ensure(subscription: TimerSubscription): Promise<EnsuredSubscription>;
  /** Does nothing when it does not exist, or when it is not ours. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly FoundSubscription[]>;
}
