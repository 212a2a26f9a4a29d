/**
 * One link to a queue and the messages received over it that are not settled yet.
 *
 * The AMQP library keeps deliveries in a ring of 2,048 per link, freed from the oldest on: while one message stays
 * unsettled, no more than that many others arrive after it, ever. A link says when it is worn, long before, and is then
 * replaced; it stays open until its last message is settled. So is a link whose connection was lost: messages from before
 * are settled through the queue's management link, which works as long as the old link is not opened again.
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
  /** To be replaced before the next receive. */
  readonly worn: boolean;
  readonly closed: boolean;
  received(message: ServiceBusReceivedMessage): void;
  /** The broker has answered for good: settled, or the lock is lost. */
  settled(message: ServiceBusReceivedMessage): void;
  retire(): void;
  /** Messages whose locks ended long ago and that nobody settled need no link any more. */
  forgetLapsed(): void;
}

/** Deliveries after the oldest unsettled one. */
const WORN_AFTER = 1_000;
/** No lock is longer than five minutes, so neither is the time in which a renewal may still matter. */
const LAPSED_AFTER_MS = 10 * 60_000;

/**
 * Whether the link a message came over is gone. The SDK tells nobody about a lost connection, but its messages carry
 * the AMQP delivery they came in. If a later version hides that, settling such a message becomes slow, not wrong.
 */
function isCutOff(message: ServiceBusReceivedMessage): boolean {
  const { delivery } = message as { readonly delivery?: { readonly link?: { is_open?: () => boolean } } };
  return delivery?.link?.is_open?.() === false;
}

export function openLink(
  bus: ServiceBusClient,
  queue: string,
  options: Pick<ServiceBusReceiverOptions, "subQueueType"> = {},
): ReceiverLink {
  // Locks are kept by the worker's watchdog, which also knows what to do when one is lost.
  const sdk = bus.createReceiver(queue, { ...options, receiveMode: "peekLock", maxAutoLockRenewalDurationInMs: 0 });
  /** Unsettled messages, oldest first, each with its number among the link's deliveries. */
  const unsettled = new Map<ServiceBusReceivedMessage, number>();
  let deliveries = 0;
  let retired = false;
  let closed = false;

  function closeIfDone(): void {
    if (!retired || unsettled.size > 0 || closed) return;
    closed = true;
    // Nothing depends on the answer: a link that cannot be closed is gone already.
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

// --- Settlement turns ------------------------------------------------------------------------------------------------

interface SettlementTurns {
  /** Runs the settlement in its turn. `isCompletion`: it may leave with others of its kind. */
  run(isCompletion: boolean, settle: () => Promise<void>): Promise<void>;
}

interface Waiting {
  readonly isCompletion: boolean;
  start(): void;
}

/**
 * Settlements of one link that must not leave together get different turns of the event loop.
 *
 * The AMQP library (rhea 3.0.5, `write_dispositions`) gathers what is settled in one turn into ranges of deliveries, and
 * adds the second of a range without comparing outcomes: of two messages received one after the other, the second would be
 * completed when it should be dead-lettered, or dead-lettered for the reason of the first. So only completions share a turn.
 */
function createSettlementTurns(): SettlementTurns {
  let waiting: Waiting[] = [];
  let turn: "none" | "completions" | "other" = "none";

  /** The library writes what was settled before the loop goes on to the next immediate. */
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
