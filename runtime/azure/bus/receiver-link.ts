/**
 * One link to a queue, and the messages received over it that are not settled yet.
 *
 * The AMQP library keeps deliveries in a ring buffer of 2,048 entries per link and frees them from the oldest on. While
 * one message stays unsettled, at most 2,048 more messages can arrive. So the link reports long before that it is worn,
 * and is replaced. It stays open until its last message is settled. A link that lost its connection is replaced in the
 * same way: its messages are settled through the queue's management link, which works as long as the old link is not
 * opened again.
 *
 * | state    | receives | settles | leaves by                                                       |
 * |----------|----------|---------|-----------------------------------------------------------------|
 * | open     | yes      | yes     | `retire` → retired, or closed when nothing is unsettled         |
 * | retired  | no       | yes     | the last settlement, or `forgetLapsed` → closed                 |
 * | closed   | no       | –       |                                                                 |
 */
import type {
  ServiceBusClient,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
  ServiceBusReceiverOptions,
} from "@azure/service-bus";

export interface ReceiverLink {
  readonly sdk: ServiceBusReceiver;
  readonly turns: SettlementTurns;
  /** It must be replaced before the next receive. */
  readonly worn: boolean;
  readonly closed: boolean;
  received(message: ServiceBusReceivedMessage): void;
  /** The message is settled, or its lock is lost. */
  settled(message: ServiceBusReceivedMessage): void;
  retire(): void;
  /** Forgets unsettled messages whose locks ended long ago: they need no link any more. */
  forgetLapsed(): void;
}

/** Deliveries after the oldest unsettled one. */
const WORN_AFTER = 1_000;
/** No lock is longer than five minutes, so by then no settlement can succeed. */
const LAPSED_AFTER_MS = 10 * 60_000;

export function openLink(
  bus: ServiceBusClient,
  queue: string,
  options: Pick<ServiceBusReceiverOptions, "subQueueType"> = {},
): ReceiverLink {
  // The worker's watchdog renews locks, and handles lost ones.
  const sdk = bus.createReceiver(queue, { ...options, receiveMode: "peekLock", maxAutoLockRenewalDurationInMs: 0 });
  /** Unsettled messages, oldest first, each with its number among the link's deliveries. */
  const unsettled = new Map<ServiceBusReceivedMessage, number>();
  let deliveries = 0;
  let retired = false;
  let closed = false;

  function closeIfDone(): void {
    if (!retired || unsettled.size > 0 || closed) return;
    closed = true;
    // The result is not needed: a link that cannot be closed has lost its connection.
    sdk.close().catch(() => undefined);
  }

  return {
    sdk,
    turns: createSettlementTurns(),
    get worn() {
      const [oldest] = unsettled;
      return oldest !== undefined && (deliveries - oldest[1] >= WORN_AFTER || isCutOff(oldest[0]));
    },
    get closed() {
      return closed;
    },
    received(message) {
      unsettled.set(message, deliveries++);
    },
    settled(message) {
      unsettled.delete(message);
      closeIfDone();
    },
    retire() {
      retired = true;
      closeIfDone();
    },
    forgetLapsed() {
      for (const message of unsettled.keys()) {
        const lockedUntil = message.lockedUntilUtc?.getTime() ?? 0;
        if (lockedUntil + LAPSED_AFTER_MS < Date.now()) unsettled.delete(message);
      }
      closeIfDone();
    },
  };
}

/**
 * Whether the link of a message is closed. The SDK does not report a lost connection, but its messages contain their
 * AMQP delivery. If a later version hides the delivery, settling such a message becomes slow, not wrong.
 */
function isCutOff(message: ServiceBusReceivedMessage): boolean {
  const { delivery } = message as { readonly delivery?: { readonly link?: { is_open?: () => boolean } } };
  return delivery?.link?.is_open?.() === false;
}

interface SettlementTurns {
  /** Runs the settlement in its turn of the event loop. `isCompletion`: it can share a turn with other completions. */
  run(isCompletion: boolean, settle: () => Promise<void>): Promise<void>;
}

interface Waiting {
  readonly isCompletion: boolean;
  start(): void;
}

/**
 * Runs different settlements of one link in different turns of the event loop.
 *
 * The AMQP library (rhea 3.0.5, `write_dispositions`) merges the settlements of one turn into ranges of deliveries and
 * does not compare their outcomes. Of two consecutive messages, the second would get the outcome of the first:
 * completed instead of dead-lettered, or dead-lettered with the wrong reason. So only completions share a turn.
 */
function createSettlementTurns(): SettlementTurns {
  let waiting: Waiting[] = [];
  let turn: "none" | "completions" | "other" = "none";

  /** The library writes the settlements of this turn before the next immediate runs. */
  function takeTurn(): void {
    const [first] = waiting;
    if (first === undefined) {
      turn = "none";
      return;
    }
    turn = first.isCompletion ? "completions" : "other";
    const started = first.isCompletion ? waiting.filter(({ isCompletion }) => isCompletion) : [first];
    waiting = waiting.filter((each) => !started.includes(each));
    setImmediate(takeTurn);
    for (const each of started) each.start();
  }

  return {
    run: (isCompletion, settle) =>
      new Promise((resolve, reject) => {
        const start = (): void => void settle().then(resolve, reject);
        if (isCompletion && turn === "completions") {
          start();
          return;
        }
        waiting.push({ isCompletion, start });
        if (turn === "none") takeTurn();
      }),
  };
}
