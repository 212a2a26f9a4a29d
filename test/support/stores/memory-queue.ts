/**
 * Queues in memory as the broker has them: peek-locks that end, scheduled messages, duplicate detection, dead letters.
 */
import { InvalidRequestError, LockLostError } from "../../../runtime/core/errors.ts";
import { parseMessage } from "../../../runtime/core/job/message.ts";
import type { ReceivedMessage, JobQueue, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { nextTurn, type Turn } from "./memory-table.ts";

export interface QueueBacking extends AsyncDisposable {
  /** As one more process. */
  connect(): JobQueue;
  /** Sends what is no bell, as message `poison-…`. */
  post(queue: string, body: unknown): Promise<void>;
}

export interface MemoryQueueOptions {
  /** Default: one minute. */
  readonly lockMs?: number;
  readonly turn?: Turn;
}

interface Message {
  readonly body: unknown;
  readonly messageId: string;
  readonly sequenceNumber: bigint;
  readonly enqueuedAt: Date;
  readonly dueAt: Date | undefined;
  /** Not received before this time; a lock moves it on. */
  freeAt: number;
  lock: object | undefined;
  deliveryCount: number;
  reason?: string;
  description?: string;
}

interface Queue {
  readonly active: Message[];
  readonly dead: Message[];
  readonly known: Set<string>;
  /** Called when there may be a message: the receivers that wait. */
  readonly waiting: Set<() => void>;
}

/** As the service cuts and limits. */
const DEAD_LETTER_TEXT_MAX_LENGTH = 4_096;
const PEEK_MAX_COUNT = 250;
const TIMER_MAX_MS = 2 ** 31 - 1;

export function startMemoryQueue({ lockMs = 60_000, turn = nextTurn }: MemoryQueueOptions = {}): QueueBacking {
  const queues = new Map<string, Queue>();
  let sequence = 0n;

  function queueOf(name: string): Queue {
    const queue = queues.get(name) ?? { active: [], dead: [], known: new Set(), waiting: new Set() };
    queues.set(name, queue);
    return queue;
  }

  function enqueue(name: string, body: unknown, messageId: string, dueAt?: Date): void {
    const queue = queueOf(name);
    if (queue.known.has(messageId)) return;
    queue.known.add(messageId);
    // As it comes off the wire.
    const received = JSON.parse(JSON.stringify(body)) as unknown;
    const freeAt = (dueAt ?? new Date()).getTime();
    const place = { messageId, sequenceNumber: ++sequence, enqueuedAt: new Date(), dueAt, freeAt };
    queue.active.push({ body: received, ...place, lock: undefined, deliveryCount: 0 });
    wake(queue);
  }

  function take(name: string, list: Message[]): ReceivedMessage | undefined {
    const queue = queueOf(name);
    const message = list.find(({ freeAt }) => freeAt <= Date.now());
    if (message === undefined) return undefined;
    const lock = {};
    message.lock = lock;
    message.deliveryCount++;
    message.freeAt = Date.now() + lockMs;
    async function settle(work: (message: Message) => void): Promise<void> {
      await turn();
      if (message?.lock !== lock || message.freeAt <= Date.now() || !list.includes(message)) {
        throw new LockLostError("The message's lock was lost.");
      }
      work(message);
      wake(queue);
    }
    const remove = (gone: Message): void => void list.splice(list.indexOf(gone), 1);
    return {
      parsed: parseMessage(message.body),
      messageId: message.messageId,
      queue: name,
      sequenceNumber: String(message.sequenceNumber),
      deliveryCount: message.deliveryCount,
      enqueuedAt: message.enqueuedAt.getTime(),
      lockedUntil: message.freeAt,
      async renew() {
        // Later than before, also within one millisecond.
        const until = Math.max(Date.now() + lockMs, message.freeAt + 1);
        await settle((held) => void (held.freeAt = until));
        return until;
      },
      complete: () => settle(remove),
      abandon: () => settle((held) => Object.assign(held, { lock: undefined, freeAt: Date.now() })),
      deadLetter: (reason, description) =>
        settle((held) => {
          remove(held);
          queue.dead.push({
            ...held,
            ...{ lock: undefined, freeAt: Date.now() },
            reason: reason.slice(0, DEAD_LETTER_TEXT_MAX_LENGTH),
            description: description.slice(0, DEAD_LETTER_TEXT_MAX_LENGTH),
          });
        }),
    };
  }

  const jobQueue: JobQueue = {
    async send(name, bells) {
      await turn();
      for (const { bell, messageId, enqueueAt } of bells) enqueue(name, bell, messageId, enqueueAt);
    },

    receiver(name) {
      const queue = queueOf(name);
      const closed = new AbortController();
      return {
        async receive(waitMs, maxCount) {
          const end = Date.now() + waitMs;
          const taken: ReceivedMessage[] = [];
          await turn();
          while (!closed.signal.aborted) {
            for (let next = take(name, queue.active); next !== undefined; next = take(name, queue.active)) {
              taken.push(next);
              if (taken.length === maxCount) return taken;
            }
            if (Date.now() >= end) break;
            const nextFreeAt = Math.min(end, ...queue.active.map(({ freeAt }) => freeAt));
            await changed(queue, nextFreeAt - Date.now(), closed.signal);
          }
          return taken;
        },
        close() {
          closed.abort();
          return Promise.resolve();
        },
      };
    },

    async peek(name, { deadLetter, fromSequenceNumber = "1", maxCount }) {
      const from = sequenceNumberOf(fromSequenceNumber);
      await turn();
      const { active, dead } = queueOf(name);
      return (deadLetter ? dead : active)
        .filter(({ sequenceNumber }) => sequenceNumber >= from)
        .sort((a, b) => (a.sequenceNumber < b.sequenceNumber ? -1 : 1))
        .slice(0, Math.min(maxCount, PEEK_MAX_COUNT))
        .map(peeked);
    },

    async takeDeadLetters(name, maxCount) {
      await turn();
      const { dead } = queueOf(name);
      return Array.from({ length: maxCount }, () => take(name, dead)).filter((delivery) => delivery !== undefined);
    },

    close: () => Promise.resolve(),
  };
  return {
    connect: () => jobQueue,
    async post(name, body) {
      await turn();
      enqueue(name, body, `poison-${sequence}`);
    },
    [Symbol.asyncDispose]: () => jobQueue.close(),
  };
}

function wake({ waiting }: Queue): void {
  for (const tell of [...waiting]) tell();
}

/** Resolves when there may be a message, after `ms`, or when the signal fires. */
function changed({ waiting }: Queue, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      waiting.delete(end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(Math.max(ms, 1), TIMER_MAX_MS));
    waiting.add(end);
    signal.addEventListener("abort", end);
  });
}

function sequenceNumberOf(text: string): bigint {
  if (/^(0|[1-9]\d{0,18})$/.test(text) && BigInt(text) < 2n ** 63n) return BigInt(text);
  throw new InvalidRequestError("InvalidRequest", "Not a sequence number.", {
    details: [{ target: "fromSequenceNumber", message: "must be a whole number of at most 63 bits" }],
  });
}

const peeked = ({
  body,
  messageId,
  sequenceNumber,
  enqueuedAt,
  dueAt,
  reason,
  description,
}: Message): PeekedMessage => ({
  parsed: parseMessage(body),
  messageId,
  sequenceNumber: String(sequenceNumber),
  enqueuedAt,
  dueAt,
  reason,
  description,
});
