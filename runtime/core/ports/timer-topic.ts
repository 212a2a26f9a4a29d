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
 * `unchanged`: it was right. `foreign`: it belongs to a deployment and goes to another queue or lets other ticks through;
 * it is as it was.
 */
export type EnsuredSubscription = "unchanged" | "made" | "mended" | "foreign";

/** Every method throws UnavailableError. */
export interface TimerSubscriptions {
  /** Makes it, filter and all, or sets it right. Leaves one of a deployment alone. */
  ensure(subscription: TimerSubscription): Promise<EnsuredSubscription>;
  /** Does nothing when there is none, or when it is not ours. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly FoundSubscription[]>;
}
