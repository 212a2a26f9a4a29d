/**
 * Which message a free slot takes. Queues are polled one after the other in the order of the share. On a queue that is
 * found empty a receive is left open. So neither an idle worker nor an empty queue beside a full one costs
 * anything, and new messages start at once. A message that arrives on an open receive after the last slot was taken
 * goes back immediately.
 *
 * | state of a queue | meaning                                | leaves by                                     |
 * |------------------|----------------------------------------|-----------------------------------------------|
 * | closed           | no receive is under way                | `next()`: a poll, or an open receive          |
 * | open             | a long receive waits                   | a message (→ arrived or returned), its timeout |
 * | arrived          | a message waits for the slot just free | `next()` takes it, `idle()` returns it        |
 */
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { BellReceiver, ReceivedMessage, JobQueue } from "../core/ports/job-queue.ts";
import { PRIORITIES, type Priority, type Share } from "../core/job/priority.ts";
import { jobQueueName } from "../core/deployment/topology.ts";
import { sleep } from "../core/sleep.ts";
import type { Clock } from "../core/clock.ts";

export interface Intake {
  /** The next message to run, or undefined once closed. Call it only while a slot is free, one call at a time. */
  next(): Promise<ReceivedMessage | undefined>;
  /** Says that no slot is free: what arrives from now on goes back at once. */
  idle(): void;
  /** Since when, by a clock that never jumps, `next()` waits on open receives; undefined while it does not. */
  waitingSince(): number | undefined;
  contact(): Contact;
  /** Goes on with new links; what waits on the old ones goes on waiting on the new. */
  replaceReceivers(): Promise<void>;
  /** Ends `next()` and gives back what was not taken. */
  close(): Promise<void>;
}

/** How receiving goes; instants by a clock that never jumps. */
export interface Contact {
  /** `next()` waits on open receives. */
  readonly waiting: boolean;
  /** When a receive last came back, with or without a message, or failed. */
  readonly returnedAt: number;
  /** Since when they only fail; undefined: the last one did not. */
  readonly failingSince: number | undefined;
}

export interface IntakeDeps {
  readonly queue: Pick<JobQueue, "receiver">;
  readonly pool: string;
  readonly share: Share;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** A look at a queue while others may have work: long enough for an answer from another data centre. */
const LOOK_MS = 50;
/** An open receive. Its length only decides how often an idle worker says that it still listens. */
const OPEN_MS = 60_000;
/** Wait after a failed receive, so that an outage is not answered with a flood. */
const RETRY_MS = 500;

export function createIntake({ queue, pool, share, monotonicNow, log }: IntakeDeps): Intake {
  const closed = new AbortController();
  const openReceivers = (): Map<Priority, BellReceiver> =>
    new Map(PRIORITIES.map((priority) => [priority, queue.receiver(jobQueueName(pool, priority))]));
  let receivers = openReceivers();
  const open = new Map<Priority, Promise<void>>();
  const arrived = new Map<Priority, ReceivedMessage>();
  let wanted = false;
  let waitingSince: number | undefined;
  let returnedAt = monotonicNow();
  let failingSince: number | undefined;
  let wake: () => void = () => undefined;

  /** The receiver's next message, or undefined. An error counts as an empty queue that is polled again a little later. */
  async function receive(priority: Priority, waitMs: number): Promise<ReceivedMessage | undefined> {
    try {
      const delivery = await receivers.get(priority)?.receive(waitMs);
      returnedAt = monotonicNow();
      failingSince = undefined;
      return delivery;
    } catch (error) {
      returnedAt = monotonicNow();
      failingSince ??= returnedAt;
      if (!closed.signal.aborted) {
        log.warn({ priority, error: messageOf(error) }, "receiving failed; trying again");
        await sleep(RETRY_MS, closed.signal);
      }
      return undefined;
    }
  }

  async function giveBack(delivery: ReceivedMessage): Promise<void> {
    try {
      await delivery.abandon();
    } catch (error) {
      // The broker gives it back by itself when the lock ends.
      log.warn({ messageId: delivery.messageId, error: messageOf(error) }, "returning a message failed");
    }
  }

  function leaveOpen(priority: Priority): void {
    if (open.has(priority) || closed.signal.aborted) return;
    const waiting = receive(priority, OPEN_MS).then(async (delivery) => {
      open.delete(priority);
      if (delivery === undefined) {
        if (wanted) wake();
      } else if (wanted && !closed.signal.aborted) {
        arrived.set(priority, delivery);
        wake();
      } else {
        await giveBack(delivery);
      }
    });
    open.set(priority, waiting);
  }

  function takeArrived(order: readonly Priority[]): ReceivedMessage | undefined {
    for (const priority of order) {
      const delivery = arrived.get(priority);
      if (delivery !== undefined) {
        arrived.delete(priority);
        return delivery;
      }
    }
    return undefined;
  }

  /** A queue with an open receive has nothing, or it would have arrived. */
  async function look(order: readonly Priority[]): Promise<ReceivedMessage | undefined> {
    for (const priority of order) {
      const early = takeArrived(order);
      if (early !== undefined) return early;
      if (open.has(priority)) continue;
      const delivery = await receive(priority, LOOK_MS);
      if (delivery === undefined) {
        // Looked at once: from now on what comes there arrives by itself, and the next look costs no wait.
        leaveOpen(priority);
        continue;
      }
      if (!closed.signal.aborted) return delivery;
      await giveBack(delivery);
      return undefined;
    }
    return takeArrived(order);
  }

  return {
    async next() {
      wanted = true;
      const order = share();
      let found = closed.signal.aborted ? undefined : await look(order);
      while (found === undefined && !closed.signal.aborted) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        for (const priority of PRIORITIES) leaveOpen(priority);
        waitingSince ??= monotonicNow();
        if (arrived.size === 0) await woken;
        found = takeArrived(order);
      }
      waitingSince = undefined;
      if (closed.signal.aborted && found !== undefined) {
        await giveBack(found);
        return undefined;
      }
      return found;
    },
    waitingSince: () => waitingSince,
    contact: () => ({ waiting: waitingSince !== undefined, returnedAt, failingSince }),
    async replaceReceivers() {
      const old = receivers;
      receivers = openReceivers();
      waitingSince = undefined;
      // Their waiting calls return empty, and `next()` opens them again on the new links.
      await Promise.all([...old.values()].map((receiver) => receiver.close()));
    },
    idle() {
      wanted = false;
      for (const delivery of arrived.values()) void giveBack(delivery);
      arrived.clear();
    },
    async close() {
      closed.abort();
      wake();
      await Promise.all([...receivers.values()].map((receiver) => receiver.close()));
      await Promise.all(open.values());
      await Promise.all([...arrived.values()].map(giveBack));
      arrived.clear();
    },
  };
}
