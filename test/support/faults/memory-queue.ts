/** Queues in memory as the broker has them: peek-locks that end, scheduled messages, duplicate detection, dead letters. */
import { LockLostError } from "../../../runtime/core/errors.ts";
import { parseMessage } from "../../../runtime/core/job/message.ts";
import type { ReceivedMessage, JobQueue, OutgoingBell, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";

interface Message extends Pick<OutgoingBell, "bell" | "messageId"> {
  readonly sequenceNumber: string;
  readonly enqueuedAt: Date;
  /** Not given to anybody before; a lock only moves it on. */
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
  readonly waiting: Set<() => void>;
}

export function createMemoryQueue({ lockMs }: { readonly lockMs: number }): JobQueue {
  const queues = new Map<string, Queue>();
  const timers = new Set<NodeJS.Timeout>();
  let sequence = 0;

  function queueOf(name: string): Queue {
    const queue = queues.get(name) ?? { active: [], dead: [], known: new Set(), waiting: new Set() };
    queues.set(name, queue);
    return queue;
  }

  function after(ms: number, work: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
    return timer;
  }

  /** Wakes whoever waits, when the message is free. */
  function freeAt(queue: Queue, message: Message, at: number): void {
    message.freeAt = at;
    const ring = (): void => queue.waiting.forEach((wake) => wake());
    const waitMs = at - Date.now();
    if (waitMs <= 0) ring();
    else after(waitMs + 1, ring);
  }

  function take(name: string, queue: Queue, list: Message[]): ReceivedMessage | undefined {
    const message = list.find(({ freeAt: at }) => at <= Date.now());
    if (message === undefined) return undefined;
    const lock = {};
    message.lock = lock;
    message.deliveryCount++;
    freeAt(queue, message, Date.now() + lockMs);
    const settle = async (work: () => void): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      if (message.lock !== lock || message.freeAt <= Date.now() || !list.includes(message)) {
        throw new LockLostError("The lock has ended.");
      }
      work();
    };
    const remove = (): void => void list.splice(list.indexOf(message), 1);
    return {
      parsed: parseMessage(JSON.parse(JSON.stringify(message.bell))),
      messageId: message.messageId,
      queue: name,
      sequenceNumber: message.sequenceNumber,
      deliveryCount: message.deliveryCount,
      lockedUntil: message.freeAt,
      async renew() {
        await settle(() => freeAt(queue, message, Date.now() + lockMs));
        return message.freeAt;
      },
      complete: () => settle(remove),
      abandon: () =>
        settle(() => {
          message.lock = undefined;
          freeAt(queue, message, Date.now());
        }),
      deadLetter: (reason, description) =>
        settle(() => {
          remove();
          queue.dead.push({ ...message, lock: undefined, freeAt: Date.now(), reason, description });
        }),
    };
  }

  return {
    async send(name, bells) {
      await new Promise((resolve) => setImmediate(resolve));
      const queue = queueOf(name);
      for (const { bell, messageId, enqueueAt } of bells) {
        if (queue.known.has(messageId)) continue;
        queue.known.add(messageId);
        const sequenceNumber = String(++sequence);
        const enqueuedAt = new Date();
        const message = { bell, messageId, sequenceNumber, enqueuedAt, freeAt: 0, lock: undefined, deliveryCount: 0 };
        queue.active.push(message);
        freeAt(queue, message, enqueueAt?.getTime() ?? Date.now());
      }
    },
    receiver(name) {
      const queue = queueOf(name);
      const closed = new AbortController();
      return {
        async receive(waitMs) {
          const end = Date.now() + waitMs;
          while (!closed.signal.aborted) {
            const delivery = take(name, queue, queue.active);
            if (delivery !== undefined || Date.now() >= end) return delivery;
            await new Promise<void>((resolve) => {
              const wake = (): void => {
                clearTimeout(timer);
                timers.delete(timer);
                queue.waiting.delete(wake);
                closed.signal.removeEventListener("abort", wake);
                resolve();
              };
              const timer = after(end - Date.now(), wake);
              queue.waiting.add(wake);
              closed.signal.addEventListener("abort", wake);
            });
          }
          return undefined;
        },
        close() {
          closed.abort();
          return Promise.resolve();
        },
      };
    },
    peek(name, { deadLetter, fromSequenceNumber = "0", maxCount }) {
      const { active, dead } = queueOf(name);
      const found = (deadLetter ? dead : active).filter(
        ({ sequenceNumber }) => Number(sequenceNumber) >= Number(fromSequenceNumber),
      );
      return Promise.resolve(found.slice(0, maxCount).map(peeked));
    },
    takeDeadLetters(name, maxCount) {
      const queue = queueOf(name);
      const taken: ReceivedMessage[] = [];
      for (let i = 0; i < maxCount; i++) {
        const delivery = take(name, queue, queue.dead);
        if (delivery === undefined) break;
        taken.push(delivery);
      }
      return Promise.resolve(taken);
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      return Promise.resolve();
    },
  };
}

const peeked = ({ bell, messageId, sequenceNumber, enqueuedAt, reason, description }: Message): PeekedMessage => ({
  parsed: parseMessage(JSON.parse(JSON.stringify(bell))),
  messageId,
  sequenceNumber,
  enqueuedAt,
  reason,
  description,
});
